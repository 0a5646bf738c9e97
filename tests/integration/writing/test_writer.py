"""The writer between a real journal and a real database: order, dead letters, outages, counters."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest

from collector.assembly import Assembler
from collector.errors import StoreUnavailableError
from collector.events.model.event import Entry, Heartbeat, Rejection, RejectReason, Source, Submission
from collector.journal.sqlite.journal import SqliteJournal
from collector.metrics import Metrics
from collector.metrics.mail import MailMetrics
from collector.pipeline import Writer, WriterState
from collector.store.writing.batch_write import PostgresStore
from tests.unit.events.entries import grouped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.events.model.batch import Batch, WriteResult

NOW = int(time.time() * 1000)


def request(n: int, *, to: str = "a@b.example", events: int = 5) -> Submission:
    """Return a request of some events that carry its name."""
    entries = [
        Entry(
            k,
            NOW + n,
            "eu1",
            "mta1",
            "receiver",
            {"id": f"q{n}x{k}", "action": "QUEUED", "from": "s@x.example", "to": to},
        )
        for k in range(events)
    ]
    return Submission(f"r{n}", NOW, Source.PLUGIN, grouped(entries), [])


class House:
    """Journal, store and writer, joined as in `app`, on one database."""

    def __init__(self, dsn: str, path: Path, store: PostgresStore | None = None) -> None:
        self.dsn = dsn
        self.metrics = Metrics()
        self.failed = threading.Event()
        self.assembler = Assembler({})
        self.journal = SqliteJournal(path / "journal", 1 << 30)
        self.store = store or PostgresStore(dsn, dsn)
        self.writer = Writer(
            self.journal,
            self.store,
            prepare=self.store.prepare,
            listeners=[MailMetrics(self.metrics, now=time.time)],
            assemble=self.assembler,
            metrics=self.metrics,
        )

    def start(self) -> None:
        """Start the writer."""
        self.writer.start(self.failed.set)

    def finish(self) -> None:
        """Stop the writer as SIGTERM does."""
        self.writer.stop(30)
        self.journal.close()
        self.store.close()
        self.assembler.close()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Read rows by the test's own connection."""
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(sql.encode()).fetchall()

    def total(self, name: str, **labels: str) -> float:
        """Return a counter's sum over all matching labels."""
        return sum(
            sample.value
            for metric in self.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


@pytest.fixture
def house(any_dsn: str, tmp_path: Path) -> Iterator[House]:
    """Yield a house whose writer is not started."""
    made = House(any_dsn, tmp_path)
    yield made
    if made.writer.state not in (WriterState.STOPPED, WriterState.FAILED):
        made.finish()


async def test_all_that_is_acknowledged_is_stored_and_counted_once(house: House) -> None:
    """Every acknowledged event is stored and counted once, also at a stop, and a repeated request is a duplicate."""
    house.start()
    await asyncio.gather(*(house.journal.append(request(n)) for n in range(200)), house.journal.append(request(7)))
    house.finish()
    assert house.rows("SELECT count(*), count(DISTINCT event_id) FROM mail_events") == [(1000, 1000)]
    assert house.total("duckwatch_mail_events_total", action="queued") == 1000
    assert house.total("duckwatch_ingest_duplicates_total") == 5
    assert house.total("duckwatch_event_commit_delay_seconds_count") == 1000


async def test_a_poison_row_goes_to_the_dead_letters_and_nothing_else_does(house: House) -> None:
    """One refused row of hundreds becomes one dead letter with its SQLSTATE, also when it is sent again."""
    house.start()
    await house.journal.append(request(0))
    while house.writer.state is not WriterState.WRITING:  # noqa: ASYNC110  # the schema must be there
        await asyncio.sleep(0.01)
    with psycopg.connect(house.dsn) as connection:
        connection.execute("ALTER TABLE mail_events ADD CHECK (recipient <> 'poison@b.example')")
    await asyncio.gather(*(house.journal.append(request(n)) for n in range(1, 100)))
    await house.journal.append(request(100, to="poison@b.example", events=1))
    await asyncio.gather(*(house.journal.append(request(n)) for n in range(101, 200)))
    await house.journal.append(request(100, to="poison@b.example", events=1))
    house.finish()
    assert house.rows("SELECT count(*) FROM mail_events") == [(199 * 5,)]
    ((reason, error, raw),) = house.rows("SELECT reason, error, raw FROM dead_letters")
    assert reason == RejectReason.BAD_ROW
    assert "23514" in error
    assert "q100x0" in raw
    assert house.total("duckwatch_mail_events_total") == 199 * 5
    assert house.total("duckwatch_store_errors_total", kind="bad_row") > 0


POISONS: dict[str, tuple[str, dict[str, Any]]] = {
    "22003": ("CREATE INDEX ON mail_events ((size_bytes::integer))", {"size": 2**40}),
    "23514": ("ALTER TABLE mail_events ADD CHECK (zone <> 'poison')", {"zone": "poison"}),
    "54000": ("CREATE INDEX ON mail_events (raw)", {"extra": random.Random(1).randbytes(20_000).hex()}),
}
"""SQLSTATE -> the cause of the refusal, and the refused row."""


async def test_poison_of_each_kind_costs_exactly_its_rows(house: House) -> None:
    """Rows refused with SQLSTATE 22, 23 and 54 in one batch become dead letters, and all others are stored."""
    house.store.prepare()
    with psycopg.connect(house.dsn, autocommit=True) as connection:
        for damage, _ in POISONS.values():
            connection.execute(damage.encode())
    poison = [fields for _, fields in POISONS.values() for _ in range(3)]
    for n in range(300):
        made = request(n)
        if n % 30 == 7 and poison:
            entries = made.entries
            entries[2].fields.update(poison.pop())
            made = msgspec.structs.replace(made, groups=grouped(entries))
        await house.journal.append(made)
    assert not poison
    house.start()
    house.finish()
    assert house.rows("SELECT count(*), count(DISTINCT event_id) FROM mail_events") == [(1491, 1491)]
    letters = house.rows("SELECT right(error, 5), count(*) FROM dead_letters WHERE reason = 'bad_row' GROUP BY 1")
    assert dict(letters) == dict.fromkeys(POISONS, 3)
    assert house.rows("SELECT count(*) FROM dead_letters") == [(9,)]
    assert house.total("duckwatch_mail_events_total") == 1491
    assert house.total("duckwatch_dead_letters_total", reason="bad_row") == 9


async def test_rejections_and_reports_go_the_same_way(house: House) -> None:
    """A request with only a rejection and a heartbeat reaches their tables."""
    rejection = Rejection(3, RejectReason.NO_TIME, "no time", "eu1", "{}")
    house.start()
    report = Heartbeat("eu1", "mta1", "p1", "0.1.0", 10, None, 0)
    await house.journal.append(Submission("r", NOW, Source.PLUGIN, [], [rejection], report))
    house.finish()
    assert house.rows("SELECT letter_id FROM dead_letters") == [("r:3",)]
    assert house.rows("SELECT host, process, spool_bytes FROM plugin_reports") == [("mta1", "p1", 10)]
    assert house.total("duckwatch_dead_letters_total", reason="no_time") == 1


class FlakyStore(PostgresStore):
    """A store whose writes fail before the COMMIT, after it (lost reply), and not at all, in turn."""

    calls = 0

    def write(self, batch: Batch) -> WriteResult:
        self.calls += 1
        if self.calls % 3 == 1:
            raise StoreUnavailableError("connection", "before")
        if self.calls % 3 == 2:
            super().write(batch)
            raise StoreUnavailableError("connection", "after")
        return super().write(batch)


async def test_a_store_that_comes_and_goes_loses_and_doubles_nothing(any_dsn: str, tmp_path: Path) -> None:
    """A store that fails repeatedly loses and doubles no event."""
    house = House(any_dsn, tmp_path, FlakyStore(any_dsn, any_dsn))
    house.start()
    for n in range(30):
        await house.journal.append(request(n))
    while house.journal.state.requests:  # noqa: ASYNC110  # nothing else tells
        await asyncio.sleep(0.01)
    house.finish()
    assert house.rows("SELECT count(*), count(DISTINCT event_id) FROM mail_events") == [(150, 150)]
    assert house.total("duckwatch_store_errors_total", kind="connection") > 0
    assert house.total("duckwatch_store_errors_total", kind="internal") == 0


async def test_a_stop_while_the_database_is_away_leaves_all_in_the_journal(
    tmp_path: Path, any_dsn: str, unused_tcp_port: int
) -> None:
    """A stop without database ends the writer at once, and the next start writes the journal's requests."""
    away = House(f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/none", tmp_path)
    away.start()
    await away.journal.append(request(1))
    away.finish()
    house = House(any_dsn, tmp_path)
    house.start()
    while house.journal.state.requests:  # noqa: ASYNC110  # nothing else tells
        await asyncio.sleep(0.01)
    house.finish()
    assert house.rows("SELECT count(*) FROM mail_events") == [(5,)]
    assert away.total("duckwatch_store_batch_events_count") == away.total("duckwatch_store_write_seconds_count") == 0
    assert house.total("duckwatch_store_batch_events_sum") == 5
    assert house.total("duckwatch_store_batch_events_count") == house.total("duckwatch_store_write_seconds_count") == 1


async def test_a_writer_that_cannot_go_on_says_so_and_forgets_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected error ends the program, and the journal keeps every request."""

    def fail(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(house.writer, "_settle", fail)
    house.start()
    await house.journal.append(request(1))
    assert await asyncio.to_thread(house.failed.wait, 20)
    assert house.writer.state is WriterState.FAILED
    assert house.journal.state.requests == 1
    house.finish()
