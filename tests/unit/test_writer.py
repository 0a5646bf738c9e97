"""The writer and a short shortage of memory."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from collector.events.model.batch import Batch, Position, WriteResult
from collector.metrics import Metrics
from collector.pipeline import Writer
from tests.servers.process import wait_until
from tests.unit.test_assembly import request, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from collector.events.model.batch import JournalEntry
    from collector.events.model.event import Source


class WaitingJournal:
    """A journal with one request."""

    def __init__(self) -> None:
        self.rows: list[JournalEntry] = rows(request(1))
        self.finished: list[Position] = []

    def take(self, **_: Any) -> Sequence[JournalEntry]:
        taken, self.rows = self.rows, []
        return taken

    def done(self, position: Position) -> None:
        self.finished.append(position)


class AcceptingStore:
    """A database that accepts every batch."""

    def write(self, batch: Batch) -> WriteResult:
        return WriteResult(batch, batch.events)

    def abandon(self) -> None: ...


def test_a_batch_that_memory_was_short_for_is_assembled_again() -> None:
    """A batch that failed for want of memory is assembled again, and its request stays in the journal until written."""
    failures = [MemoryError(), MemoryError()]

    def assemble(_: Sequence[JournalEntry]) -> Callable[[], tuple[Batch, Counter[Source]]]:
        def finish() -> tuple[Batch, Counter[Source]]:
            if failures:
                raise failures.pop()
            return Batch(), Counter()

        return finish

    journal, failed, metrics = WaitingJournal(), list[bool](), Metrics()
    writer = Writer(journal, AcceptingStore(), prepare=lambda: None, assemble=assemble, listeners=[], metrics=metrics)
    writer.start(on_failure=lambda: failed.append(True))
    wait_until(lambda: bool(journal.finished or failed), "it is written")
    writer.stop(5)
    assert not failed
    assert journal.finished == [Position(1)]
    assert metrics.registry.get_sample_value("duckwatch_store_errors_total", {"kind": "memory"}) == 2
