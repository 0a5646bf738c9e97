"""Assembles batches in this process while the machine has too little (memory, descriptors, …) for the assembler."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from collector.journal.codec import decode_entry
from collector.pipeline.batch import assemble
from duckwatch.base.resources import shortage_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping, Sequence

    from collector.events.model.batch import Batch, JournalEntry
    from collector.events.model.event import Source
    from collector.pipeline.writer import Assemble

log = logging.getLogger(__name__)


class FallbackAssembler:
    """Lets `assembler` assemble batches. If it fails, the batch is assembled in this process, which is slower.
    The next batch goes to the assembler again.
    """

    def __init__(self, assembler: Assemble, public_ips: Mapping[str, str]) -> None:
        self._assembler, self._public_ips = assembler, dict(public_ips)
        self._is_failing = False

    def __call__(self, rows: Sequence[JournalEntry]) -> Callable[[], tuple[Batch, Counter[Source]]]:
        """Begin to assemble; see `Assemble`."""
        try:
            coming = self._assembler(rows)
        except Exception as error:  # noqa: BLE001 - it would end the writer
            self._note(error)
            return partial(self._assembled_here, rows)
        return partial(self._finish, rows, coming)

    def _finish(
        self, rows: Sequence[JournalEntry], coming: Callable[[], tuple[Batch, Counter[Source]]]
    ) -> tuple[Batch, Counter[Source]]:
        try:
            made = coming()
        except Exception as error:  # noqa: BLE001 - it would end the writer
            self._note(error)
            return self._assembled_here(rows)
        if self._is_failing:
            self._is_failing = False
            log.warning("the assembler can be used again")
        return made

    def _note(self, error: Exception) -> None:
        if not self._is_failing:
            fields = {"of": shortage_of(error), "error": type(error).__name__}
            log.warning("the assembler cannot be used: the writer assembles batches itself", extra={"fields": fields})
        self._is_failing = True

    def _assembled_here(self, rows: Sequence[JournalEntry]) -> tuple[Batch, Counter[Source]]:
        return assemble([decode_entry(row) for row in rows], self._public_ips)
