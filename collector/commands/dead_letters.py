"""`dead-letters list|show|retry|drop`: what could not be stored, and a second try once its cause is mended."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from collector.errors import BadRowError, StoreUnavailableError, UnreadableError
from collector.events.batch import Batch
from collector.events.model import MailEvent, RejectReason, Source
from collector.pipeline.batch import assemble
from collector.pipeline.letters import row_of
from collector.store.commits import SETTLE_PAUSE_SECONDS, SETTLE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from collector.events.batch import DeadLetter
    from collector.events.model import Request
    from collector.store.letters import LetterBox
    from collector.store.store import PostgresStore

PAGE: Final = 100
"""Letters that are held at a time: each may be 64 KiB."""


class LetterDesk:
    """The four verbs over one database. Methods raise `StoreUnavailableError`."""

    def __init__(
        self,
        box: LetterBox,
        store: PostgresStore,
        decode: Callable[[bytes, DeadLetter], Request],
        public_ips: Mapping[str, str],
    ) -> None:
        self._box, self._store, self._decode, self._public_ips = box, store, decode, public_ips

    def list(self, *, reason: RejectReason | None, limit: int) -> int:
        """Prints a line a letter, without its content."""
        for letter in self._box.letters(limit=limit, reason=reason):
            received = datetime.fromtimestamp(letter.received_at / 1000, UTC).isoformat(timespec="seconds")
            # A sender names the cluster: no control character of it reaches a terminal.
            cluster = "".join(character if character.isprintable() else "?" for character in letter.cluster)
            print(f"{letter.letter_id}  {received}  {cluster}  {letter.source}  {letter.reason}  {letter.error}")
        return 0

    def show(self, letter_id: str) -> int:
        """Prints one letter whole, as JSON; exit code 1 when there is none."""
        for letter in self._box.letters(limit=1, ids=[letter_id]):
            print(json.dumps(msgspec.to_builtins(letter), indent=2))
            return 0
        print("no such letter")
        return 1

    def drop(self, ids: Sequence[str] | None, reason: RejectReason | None) -> int:
        """Deletes letters: those named, or all of a reason."""
        dropped = self._box.drop(ids or [], reason)
        print(f"dropped {dropped}")
        return 0 if dropped else 1

    def retry(self, ids: Sequence[str] | None, reason: RejectReason | None) -> int:
        """Stores letters after all: those named, or all of a reason. What still fails stays, and exit code 1 says so."""
        stored = failed = 0
        # Dropped a page at a time: to each its own connection, it took three times as long.
        done: list[str] = []
        try:
            for letter in self._all(ids, reason):
                problem = self._retry(letter)
                if problem is None:
                    done.append(letter.letter_id)
                    stored += 1
                else:
                    print(f"{letter.letter_id}: {problem}")
                    failed += 1
                if len(done) == PAGE:
                    self._box.drop(done)
                    done.clear()
        finally:
            self._store.close()
            if done:
                self._box.drop(done)
        print(f"stored {stored}, left {failed}")
        return 1 if failed or not stored else 0

    def _all(self, ids: Sequence[str] | None, reason: RejectReason | None) -> Iterator[DeadLetter]:
        """Yields the letters named, or all of a reason, oldest first; each may be dropped before the next."""
        last = None
        while page := self._box.letters(limit=PAGE, reason=reason, ids=ids or None, after=last):
            yield from page
            last = page[-1]

    def _retry(self, letter: DeadLetter) -> str | None:
        """Returns what stands against it, None when it is stored. The same row twice is one row: a retry cut short does no harm."""
        try:
            batch = self._batch(letter)
            if isinstance(batch, str):
                return batch
            self._write(batch)
        except BadRowError as error:
            return f"the database still refuses it: SQLSTATE {error.sqlstate}"
        except (UnreadableError, msgspec.MsgspecError):
            return "it cannot be read (a letter is cut at 64 KiB)"
        return None

    def _write(self, batch: Batch) -> None:
        """Writes the batch; again, where it is unknown whether it was committed: that is found out then."""
        until = time.monotonic() + SETTLE_SECONDS
        while True:
            try:
                self._store.write(batch)
            except StoreUnavailableError:
                if not self._store.is_in_doubt or time.monotonic() > until:
                    raise
                time.sleep(SETTLE_PAUSE_SECONDS)
            else:
                return

    def _batch(self, letter: DeadLetter) -> Batch | str:
        if letter.reason is RejectReason.BAD_ROW:
            row = row_of(letter)
            return Batch([row]) if isinstance(row, MailEvent) else Batch(records=[row])
        request = self._decode(b"[" + letter.raw.encode() + b"]", letter)
        if request.rejections:
            return request.rejections[0].error
        if letter.source is Source.DNSBL:
            # The newest result is the one that came last: a letter's did not come today.
            request = msgspec.structs.replace(request, received_at=letter.received_at)
        return assemble([request], self._public_ips)[0]
