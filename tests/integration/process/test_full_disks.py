"""A disk becomes full at a random moment: the journal's, the plugin's or PostgreSQL's, on tmpfs or ext4.

Once there is room or the database is back, every acknowledged event is stored once, new events are accepted, and
SIGTERM ends the collector within its grace period, without help by an operator.
`DUCKWATCH_DISK_ROUNDS` is the number of random combinations (default: one for each disk).
The seed is printed; `DUCKWATCH_DISK_SEED` sets it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psycopg
import pytest

from collector.errors import OverloadedError
from collector.events.model.batch import JournalEntry, Position
from collector.journal.sqlite.errors import ERRORS
from collector.journal.sqlite.journal import SqliteJournal
from collector.journal.sqlite.ledger import JournalLedger
from tests.servers.collector import Collector
from tests.servers.disk import SmallDisk, small_disk
from tests.servers.fixtures import need
from tests.servers.mta import Mta
from tests.servers.postgres import EmbeddedPostgres
from tests.servers.process import free_port, listens, wait_until
from tests.servers.proxy import Proxy
from tests.unit.test_journal import request as journal_request

if TYPE_CHECKING:
    from collections.abc import Iterator

GRACE_SECONDS = 30
ROUNDS = int(os.environ.get("DUCKWATCH_DISK_ROUNDS", "0"))
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or random.SystemRandom().randbytes(16).hex()
"""An id that the processes of one pytest-xdist run share, so that they draw the same combinations."""
SEED = int(os.environ.get("DUCKWATCH_DISK_SEED") or int(RUN[:8], 16))
PLACES = ("journal", "spool", "postgres")

Interruption = Literal["none", "SIGTERM", "SIGKILL"]


@dataclass(frozen=True)
class Combination:
    """The disk's place and kind, who fills it after how many events, how the collector ends, what recovers first."""

    place: str
    kind: str
    mib: int
    is_ours: bool
    after_events: int
    event_bytes: int
    interruption: Interruption
    is_room_first: bool

    def __str__(self) -> str:
        who = "us" if self.is_ours else f"others after {self.after_events}"
        first = "room" if self.is_room_first else "database"
        return (
            f"{self.place} {self.kind} {self.mib} MiB, {self.event_bytes} B, "
            f"by {who}, {self.interruption}, {first} first"
        )


def combinations() -> list[Combination]:
    """Return the combinations of this run."""
    dice = random.Random(SEED)
    places = [dice.choice(PLACES) for _ in range(ROUNDS)] if ROUNDS else PLACES
    return [
        Combination(
            place,
            dice.choice(["tmpfs", "ext4"]),
            dice.choice([24, 32, 64]),
            dice.random() < 0.5,
            dice.randrange(5_000),
            dice.choice([100, 4_000, 20_000]),
            dice.choice(["none", "SIGTERM", "SIGKILL"]),
            dice.random() < 0.5,
        )
        for place in places
    ]


pytestmark = pytest.mark.timeout(300 + 120 * ROUNDS)


class Source:
    """Sends events with different ids, and remembers which were acknowledged."""

    def __init__(self, collector: Collector, event_bytes: int) -> None:
        self.collector, self._event_bytes = collector, event_bytes
        self.acknowledged: set[str] = set()
        self.sent = 0

    def send(self, number: int) -> int:
        """Send one request. Return its status, 0 without an answer."""
        ids = [f"e{self.sent + n}" for n in range(number)]
        self.sent += number
        now = time.time_ns() // 1_000_000
        entries = (
            {"id": one, "action": "QUEUED", "to": "a@b.example", "extra": os.urandom(self._event_bytes // 2).hex()}
            for one in ids
        )
        try:
            status = self.collector.send([{"time": now, "context": "receiver", "entry": entry} for entry in entries])
        except OSError:
            return 0
        if status == 202:
            self.acknowledged.update(ids)
        return status


@contextmanager
def filling(disk: SmallDisk) -> Iterator[None]:
    """Take every byte that becomes free within the block, as another program would, then free all."""
    is_over = threading.Event()

    def fill() -> None:
        while not is_over.is_set():
            disk.fill()
            is_over.wait(0.02)

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        disk.clear()


def interrupt(collector: Collector, interruption: Interruption) -> None:
    """Stop or kill the collector, and start it again on the same disk."""
    if interruption == "SIGTERM":
        stop(collector)
    elif interruption == "SIGKILL":
        collector.kill()
    else:
        return
    collector.start(wait=False)
    wait_until(lambda: listens(collector.port), lambda: collector.log.read_text()[-2000:])


def stop(collector: Collector) -> None:
    """Assert that SIGTERM ends the collector in time with code 0."""
    began = time.monotonic()
    assert collector.stop() == 0, collector.log.read_text()[-2000:]
    assert time.monotonic() - began < GRACE_SECONDS


def rows_in(dsn: str) -> list[str]:
    """Return the queue ids of all rows, [] while the database does not answer."""
    try:
        with psycopg.connect(dsn) as connection:
            return [row[0] for row in connection.execute("SELECT queue_id FROM mail_events")]
    except psycopg.Error:
        return []


def assert_well(collector: Collector, dsn: str, acknowledged: set[str]) -> None:
    """Assert that every event is stored once, none waits, and there is no trouble."""
    seconds = 120
    wait_until(lambda: collector.total("duckwatch_journal_requests") == 0, lambda: str(collector.trouble()), seconds)
    found = rows_in(dsn)
    assert len(found) == len(set(found))
    assert acknowledged <= set(found), f"{len(acknowledged - set(found))} of {len(acknowledged)} are missing"
    wait_until(lambda: collector.trouble() == {}, lambda: str(collector.trouble()), seconds)


@pytest.fixture(scope="module")
def database(server_logs: Path) -> Iterator[EmbeddedPostgres]:
    """Yield a database on a large disk."""
    made = need(lambda: EmbeddedPostgres(server_logs))
    made.initialise()
    made.start()
    yield made
    made.remove()


@pytest.mark.parametrize("drawn", combinations(), ids=str)
def test_a_full_disk_needs_nobodys_help(
    drawn: Combination, request: pytest.FixtureRequest, tmp_path: Path, server_logs: Path
) -> None:
    """After a full disk every acknowledged event is stored once, and everything works without help."""
    print(f"DUCKWATCH_DISK_SEED={SEED} {drawn}")
    folder = Path(tempfile.mkdtemp(prefix="duckwatch-disk-"))
    folder.chmod(0o711)
    try:
        if drawn.place == "postgres":
            under_postgres(drawn, folder, tmp_path, server_logs)
            return
        database: EmbeddedPostgres = request.getfixturevalue("database")
        dsn = database.create_database()
        with small_disk(folder / "disk", drawn.mib, drawn.kind) as disk, Proxy(database.port) as way:
            through = dsn.replace(f":{database.port}/", f":{way.port}/")
            (under_journal if drawn.place == "journal" else under_spool)(drawn, disk, dsn, through, way, tmp_path)
        database.drop_database(dsn)
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=False)


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
async def test_what_is_stored_can_be_deleted_from_a_full_disk_while_the_rest_waits(tmp_path: Path, kind: str) -> None:
    """Stored requests can be deleted from a journal on a full disk, because room for deletions is reserved."""
    with small_disk(tmp_path / "disk", 24, kind) as disk:
        journal = SqliteJournal(disk.folder / "journal", 1 << 30)
        taken = 0
        with contextlib.suppress(OverloadedError):
            while True:
                await journal.append(journal_request(taken, 30_000))
                taken += 1
        assert taken > 100
        disk.fill()
        rows = journal.take(max_bytes=taken * 15_000, wait_seconds=1)
        for row in rows[::10]:
            journal.done(row.position)
            await asyncio.sleep(0.01)
        left = taken - rows.index(rows[::10][-1]) - 1
        wait_until(lambda: journal.state.requests == left, lambda: f"{journal.state}, {left} should be left")
        await journal.append(journal_request(0, 30_000))
        assert journal.close()


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_removals_without_a_pause_end_on_a_full_disk(tmp_path: Path, kind: str) -> None:
    """Every request can be removed from a journal on a full disk, also when no pause folds the log in between."""
    with small_disk(tmp_path / "disk", 24, kind) as disk:
        ledger = JournalLedger(disk.folder / "journal")
        with contextlib.suppress(*ERRORS):
            while True:
                ledger.add([JournalEntry(Position(ledger.last_id + 1), 1, os.urandom(30_000))], 0)
        ledger.settle()
        disk.fill()
        assert ledger.requests > 100
        while ledger.requests:
            ledger.remove(ledger.deleted + 1)
        ledger.close()


def cut_off(way: Proxy) -> None:
    """Make the database unreachable."""
    way.point_at(free_port())
    way.cut()


def under_journal(drawn: Combination, disk: SmallDisk, dsn: str, through: str, way: Proxy, tmp_path: Path) -> None:
    """Run a combination in which the database is unreachable and the journal's disk becomes full."""
    database_port = int(dsn.rpartition("/")[0].rpartition(":")[2])
    collector = Collector(disk.folder / "collector", tmp_path, through)
    collector.start()
    source = Source(collector, drawn.event_bytes)
    assert source.send(5) == 202
    assert_well(collector, dsn, source.acknowledged)
    cut_off(way)
    if drawn.is_ours:
        fill_journal(source, collector, None)
        interrupt(collector, drawn.interruption)
        way.point_at(database_port)
    else:
        fill_journal(source, collector, drawn.after_events)
        with filling(disk):
            wait_until(lambda: source.send(300) == 503, "nothing more fits")
            interrupt(collector, drawn.interruption)
            if not drawn.is_room_first:
                way.point_at(database_port)
                wait_until(lambda: source.acknowledged <= set(rows_in(dsn)), "all is stored without room", 120)
        way.point_at(database_port)
    assert_well(collector, dsn, source.acknowledged)
    wait_until(lambda: source.send(5) == 202, "new events are taken")
    assert_well(collector, dsn, source.acknowledged)
    stop(collector)


def fill_journal(source: Source, collector: Collector, most_events: int | None) -> None:
    """Send until the journal takes no more, or holds that many events."""
    while most_events is None or source.sent < most_events:
        if source.send(100) == 503:
            break
    if most_events is None:
        assert collector.trouble()["journal"] == "failing"


def under_spool(drawn: Combination, disk: SmallDisk, dsn: str, through: str, way: Proxy, tmp_path: Path) -> None:
    """Run a combination in which the collector is away, the spool's disk becomes full, and ZoneMTA is killed."""
    collector = Collector(tmp_path / "collector", tmp_path, through)
    settings: dict[str, Any] = {"url": f"{collector.url}/api/events/ingest", "token": collector.token}
    settings |= {"spool": str(disk.folder / "spool"), "deadAfter": 3_000}
    main, sender = Mta(settings, "main"), Mta(settings)
    more = {"response": "y" * drawn.event_bytes}
    number, kept = 0, set[str]()

    def emit(count: int) -> bool:
        """Emit events. Return whether all are on the disk; the others are in memory, where they may be dropped and
        counted.
        """
        nonlocal number
        ids = [f"e{number + n}" for n in range(count)]
        number += count
        sender.emit(ids, more)
        is_taken = not any("The disk takes no events" in line for line in sender.logs)
        if is_taken:
            kept.update(ids)
        return is_taken

    while emit(100) and (drawn.is_ours or number < drawn.after_events):
        pass
    if drawn.is_ours:
        emit(100)
        sender, main = restarted(drawn, sender, main, settings)
        collector.start()
    else:
        with filling(disk):
            while emit(100):
                pass
            sender, main = restarted(drawn, sender, main, settings)
            collector.start()
            if not drawn.is_room_first:
                wait_until(lambda: kept <= set(rows_in(dsn)), "all is sent without room", 120)
    wait_until(
        lambda: kept <= set(rows_in(dsn)), lambda: f"{len(kept - set(rows_in(dsn)))} of {len(kept)} missing", 120
    )
    sender.logs.clear()
    assert emit(50)
    wait_until(lambda: kept <= set(rows_in(dsn)), "new events arrive", 60)
    assert_well(collector, dsn, kept)
    assert main.is_running()
    assert sender.is_running()
    sender.kill()
    main.kill()
    stop(collector)


def restarted(drawn: Combination, sender: Mta, main: Mta, settings: dict[str, Any]) -> tuple[Mta, Mta]:
    """Kill ZoneMTA's processes, and start new ones on the full disk."""
    if drawn.interruption == "none":
        return sender, main
    sender.kill()
    main.kill()
    return Mta(settings), Mta(settings, "main")


class Manager:
    """Restarts PostgreSQL each time it has ended, as a service manager does."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_over.wait(0.5):
            process = self._server._process
            if process is not None and process.returncode is None:
                continue
            self._server._process = None
            try:
                self._server.start()
            except AssertionError:
                self._server._process = None

    def end(self) -> None:
        """Stop restarting."""
        self._is_over.set()
        self._thread.join()


def under_postgres(drawn: Combination, folder: Path, tmp_path: Path, server_logs: Path) -> None:
    """Run a combination with a new cluster on a disk that has few MiB more than it needs."""
    server = need(lambda: EmbeddedPostgres(server_logs, {"max_wal_size": "32MB"}))
    try:
        server.initialise()
        used = int(
            subprocess.run(["du", "-sm", server.data], capture_output=True, text=True, check=True).stdout.split()[0]
        )
        # The overhead includes the first database with the schema; ext4 itself needs room too.
        overhead = 30 if drawn.kind == "tmpfs" else 45
        with small_disk(folder / "disk", used + overhead + drawn.mib, drawn.kind) as disk:
            server.adopt(disk.folder)
            subprocess.run(["cp", "-a", server.data, str(disk.folder)], check=True)
            server.home, home = disk.folder, server.home
            subprocess.run(["rm", "-rf", str(home)], check=True)
            server.start()
            manager = Manager(server)
            try:
                on_small_postgres(drawn, disk, used + overhead + drawn.mib, server.create_database(), tmp_path)
            finally:
                manager.end()
                server.stop()
    finally:
        server.stop()


def on_small_postgres(drawn: Combination, disk: SmallDisk, mib: int, dsn: str, tmp_path: Path) -> None:
    """Run the combination, in which PostgreSQL refuses writes, or stops and restarts."""
    collector = Collector(tmp_path / "collector", tmp_path, dsn)
    collector.start()
    source = Source(collector, drawn.event_bytes)
    assert source.send(5) == 202
    assert_well(collector, dsn, source.acknowledged)
    if drawn.is_ours:
        while not collector.trouble() and source.sent < 60_000:
            assert source.send(100) == 202
        interrupt(collector, drawn.interruption)
        assert source.send(5) == 202
        disk.grow(mib + 600)
    else:
        while source.sent < drawn.after_events and not collector.trouble():
            assert source.send(100) == 202
        with filling(disk):
            wait_until(lambda: [source.send(100), collector.trouble()][1], "the database takes no more", 60, 0.02)
            interrupt(collector, drawn.interruption)
            assert source.send(5) == 202
        disk.grow(mib + 600)
    assert_well(collector, dsn, source.acknowledged)
    wait_until(lambda: source.send(5) == 202, "new events are taken")
    assert_well(collector, dsn, source.acknowledged)
    stop(collector)
