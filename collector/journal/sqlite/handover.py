"""Gives committed entries to the writer in their order: from memory, or from the file if they exceed MEMORY_BYTES."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from collector.journal.sqlite.errors import ERRORS, error_name
from collector.journal.sqlite.statements import row_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.events.model.batch import JournalEntry
    from collector.journal.sqlite.ledger import JournalLedger

log = logging.getLogger(__name__)

MEMORY_BYTES = 8 * 1024 * 1024
"""Committed entries up to this size wait for the writer in memory. Above it, the writer reads them from the file."""

GATHER_SECONDS, GATHERED_BYTES = 0.05, 128 * 1024
"""The writer waits up to GATHER_SECONDS until GATHERED_BYTES have arrived, because a transaction has a fixed cost."""

RETRY_SECONDS = 0.2


class HandOver:
    """The entries that the writer has not taken. The journal's thread calls `put`, the writer's calls `take`."""

    def __init__(self, ledger: JournalLedger) -> None:
        self._ledger = ledger
        self._to_take = threading.Condition()  # guards everything below, and wakes the writer
        self._ready: deque[JournalEntry] = deque()  # newer than `_taken`
        self._ready_bytes = 0
        self._last_id, self._taken = ledger.last_id, ledger.deleted
        self._is_spilled = ledger.requests > 0  # rows wait in the file only: `_ready` must not overtake them
        self._closing = False
        self.is_unreadable = False

    def put(self, rows: Sequence[JournalEntry]) -> None:
        """Add entries that are in the file."""
        if not rows:
            return
        size = sum(len(row.body) for row in rows)
        with self._to_take:
            self._last_id = row_id(rows[-1])
            if self._is_spilled or self._ready_bytes + size > MEMORY_BYTES:
                self._is_spilled = True
            else:
                self._ready.extend(rows)
                self._ready_bytes += size
            self._to_take.notify()

    def close(self) -> None:
        """End the wait of `take`, now and later."""
        with self._to_take:
            self._closing = True
            self._to_take.notify()

    def take(self, *, max_bytes: int, wait_seconds: float, is_ahead: bool = False) -> list[JournalEntry]:
        """See `Journal.take`."""
        with self._to_take:
            if not self._ready and not self._is_spilled:
                self._to_take.wait_for(lambda: self._ready or self._is_spilled or self._closing, wait_seconds)
            is_little = not self._is_spilled and 0 < self._ready_bytes < min(GATHERED_BYTES, max_bytes)
        if is_little and is_ahead:
            return []
        if is_little and wait_seconds and not self._closing:
            time.sleep(GATHER_SECONDS)
        with self._to_take:
            if self._ready:
                return self._take_ready(max_bytes)
            if not self._is_spilled:
                return []
        try:
            rows = self._ledger.after(self._taken, limit_bytes=max_bytes)
        except ERRORS as error:
            self._fail_reading(error, RETRY_SECONDS if wait_seconds else 0)
            return []
        self.is_unreadable = False
        with self._to_take:
            if rows:
                self._taken = row_id(rows[-1])
            if self._taken >= self._last_id or not rows:
                self._is_spilled = False
        return rows

    def _take_ready(self, max_bytes: int) -> list[JournalEntry]:
        taken: list[JournalEntry] = []
        size = 0
        while self._ready and size < max_bytes:
            row = self._ready.popleft()
            taken.append(row)
            size += len(row.body)
        self._ready_bytes -= size
        self._taken = row_id(taken[-1])
        return taken

    def _fail_reading(self, error: Exception, pause_seconds: float) -> None:
        if not self.is_unreadable:
            log.error("the journal cannot be read", extra={"fields": {"error": error_name(error)}})
        self.is_unreadable = True
        time.sleep(pause_seconds)
