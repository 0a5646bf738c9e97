"""Dead letters: list, delete or retry events that could not be stored."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from collector.errors import BadRowError, StoreUnavailableError, UnreadableError
from collector.events.model.batch import Batch
from collector.events.model.event import MailEvent, RejectReason, Source
from collector.pipeline.batch import assemble
from collector.pipeline.letters import row_of
from collector.store.database.commits import SETTLE_PAUSE_SECONDS, SETTLE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from collector.events.model.batch import DeadLetter
    from collector.events.model.event import Submission
    from collector.store.lookups.dead_letters import LetterBox
    from collector.store.writing.batch_write import PostgresStore

PAGE: Final = 100
"""Letters held in memory at a time: each may have 64 KiB."""


class RetryResult(NamedTuple):
    """The result of one retry. `problem` says why the letter stays; it is None when the letter's event is stored."""

    letter_id: str
    problem: str | None


class DeadLetters:
    """The dead letters of one database. Every method raises `StoreUnavailableError`."""

    def __init__(
        self,
        box: LetterBox,
        store: PostgresStore,
        decode: Callable[[bytes, DeadLetter], Submission],
        public_ips: Mapping[str, str],
    ) -> None:
        self._box, self._store, self._decode, self._public_ips = box, store, decode, public_ips

    def oldest(self, *, reason: RejectReason | None, limit: int) -> Sequence[DeadLetter]:
        """Return at most `limit` letters, the oldest first; those of one reason if it is given."""
        return self._box.letters(limit=limit, reason=reason)

    def letter(self, letter_id: str) -> DeadLetter | None:
        """Return one letter whole, or None."""
        return next(iter(self._box.letters(limit=1, ids=[letter_id])), None)

    def drop(self, ids: Sequence[str] | None, reason: RejectReason | None) -> int:
        """Delete the letters named, or all of a reason. Return how many were deleted."""
        return self._box.drop(ids or [], reason)

    def retry(self, ids: Sequence[str] | None, reason: RejectReason | None) -> Generator[RetryResult]:
        """Store the letters named, or all of a reason, and yield the result of each. A letter whose event is stored is
        deleted.

        The letters are deleted a page at a time, and the last page when the iterator is closed: a connection for each
        letter took three times as long.
        """
        done: list[str] = []
        try:
            for letter in self._all(ids, reason):
                problem = self._retry(letter)
                if problem is None:
                    done.append(letter.letter_id)
                yield RetryResult(letter.letter_id, problem)
                if len(done) == PAGE:
                    self._box.drop(done)
                    done.clear()
        finally:
            self._store.close()
            if done:
                self._box.drop(done)

    def _all(self, ids: Sequence[str] | None, reason: RejectReason | None) -> Iterator[DeadLetter]:
        """Yield the letters named, or all of a reason, oldest first. Each may be deleted before the next."""
        last = None
        while page := self._box.letters(limit=PAGE, reason=reason, ids=ids or None, after=last):
            yield from page
            last = page[-1]

    def _retry(self, letter: DeadLetter) -> str | None:
        """Return why the letter cannot be stored, or None when it is stored.

        The same row twice is one row, so an interrupted retry does no harm.
        """
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
        """Write the batch. Repeat it while it is unknown whether it was committed: the next write finds that out."""
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
        submission = self._decode(b"[" + letter.raw.encode() + b"]", letter)
        if submission.rejections:
            return submission.rejections[0].error
        if letter.source is Source.DNSBL:
            # The newest DNSBL result is the one with the latest receipt, so the letter's result keeps its own receipt.
            submission = msgspec.structs.replace(submission, received_at=letter.received_at)
        return assemble([submission], self._public_ips)[0]
