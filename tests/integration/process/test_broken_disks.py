"""The journal's disk refuses writes though it is not full, or is full and has a journal of an earlier version.

Once the disk works again, every acknowledged event is stored once, new events are accepted, and SIGTERM ends the
collector within its grace period.
"""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.process.test_full_disks import Source, assert_well, cut_off, database, rows_in, stop
from tests.servers.collector import Collector
from tests.servers.disk import LoopDisk, small_disk
from tests.servers.process import listens, wait_until
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.postgres import EmbeddedPostgres

__all__ = ["database"]

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]


class FragileDisk(LoopDisk):
    """An ext4 that becomes read-only at its first error, the usual mount option, also with files open for writing."""

    def break_down(self) -> None:
        """Make the kernel find an error. All but the journal's data is on the disk before."""
        subprocess.run(["sync", "-f", str(self.folder)], check=True)
        words = ["mount", "-o", "remount,errors=remount-ro", str(self.folder)]
        subprocess.run(words, check=True)
        trigger = Path("/sys/fs/ext4", Path(self._device()).name, "trigger_fs_error")
        if not trigger.exists():
            pytest.skip("this kernel does not let a test break an ext4")
        trigger.write_text("1", encoding="ascii")

    def repair(self) -> None:
        """Repair it as an operator does. No process may have a file of it open."""
        subprocess.run(["umount", str(self.folder)], check=True)
        subprocess.run(["e2fsck", "-f", "-y", str(self._image)], check=False, capture_output=True)
        subprocess.run(["mount", "-o", "loop", str(self._image), str(self.folder)], check=True)

    def _device(self) -> str:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
        return next(line.split()[0] for line in mounts if line.split()[1] == str(self.folder))


class Site:
    """A collector whose journal is on a small disk, and its database behind a proxy."""

    def __init__(self, disk: Path, folder: Path, way: Proxy, database: EmbeddedPostgres, dsn: str) -> None:
        self.dsn, self._way, self._port = dsn, way, database.port
        through = dsn.replace(f":{database.port}/", f":{way.port}/")
        self.collector = Collector(disk / "collector", folder, through)
        self.source = Source(self.collector, 500)
        self.journal = disk / "collector" / "journal"

    def database_goes(self) -> None:
        """Make the database unreachable."""
        cut_off(self._way)

    def database_comes(self) -> None:
        """Make the database reachable again."""
        self._way.point_at(self._port)

    def fails(self) -> None:
        """Assert that the answer is 503, and that /readyz names the trouble."""
        wait_until(lambda: self.source.send(5) == 503, "nothing is taken")
        wait_until(lambda: self.collector.trouble().get("journal") == "failing", "it is named")

    def is_well(self) -> None:
        """Assert that every acknowledged event is stored once, and that new events are stored."""
        assert_well(self.collector, self.dsn, self.source.acknowledged)
        wait_until(lambda: self.source.send(5) == 202, "new events are taken")
        assert_well(self.collector, self.dsn, self.source.acknowledged)


@contextmanager
def site(disk: Path, folder: Path, database: EmbeddedPostgres) -> Iterator[Site]:
    """Yield a site that is not started yet."""
    dsn = database.create_database()
    with Proxy(database.port) as way:
        made = Site(disk, folder, way, database, dsn)
        try:
            yield made
        finally:
            if made.collector._process is not None:
                made.collector.kill()
    database.drop_database(dsn)


def test_a_file_system_that_turns_read_only(database: EmbeddedPostgres, tmp_path: Path, server_logs: Path) -> None:
    """A file system that turns read-only loses no acknowledged event, and after the repair none is doubled."""
    (tmp_path / "disk").mkdir()
    disk = FragileDisk(tmp_path / "disk", 64)
    try:
        with site(disk.folder, server_logs, database) as made:
            made.collector.start()
            assert made.source.send(50) == 202
            made.database_goes()
            assert made.source.send(50) == 202
            disk.break_down()
            made.fails()
            made.database_comes()
            wait_until(
                lambda: made.source.acknowledged <= set(rows_in(made.dsn)), "all is stored from a read-only disk"
            )
            stop(made.collector)
            disk.repair()
            made.collector.start()
            made.is_well()
            stop(made.collector)
    finally:
        disk.remove()


@pytest.mark.parametrize("which", ["journal", "journal-wal"])
def test_a_file_that_may_not_be_written_for_a_while(
    database: EmbeddedPostgres, tmp_path: Path, server_logs: Path, which: str
) -> None:
    """After a time in which the journal's file cannot be written, the collector goes on without a restart."""
    with small_disk(tmp_path / "disk", 64, "ext4") as disk, site(disk.folder, server_logs, database) as made:
        made.collector.start()
        assert made.source.send(50) == 202
        made.database_goes()
        assert made.source.send(50) == 202
        file = made.journal.with_name(which)
        with immutable(file):
            made.fails()
        wait_until(lambda: made.source.send(5) == 202, "the journal writes again")
        made.database_comes()
        made.is_well()
        with immutable(file):
            stop(made.collector)
        made.collector.start()
        made.is_well()
        stop(made.collector)


@contextmanager
def immutable(file: Path) -> Iterator[None]:
    """Make the file immutable within the block, also for processes that have it open (chattr(1))."""
    subprocess.run(["chattr", "+i", str(file)], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(file)], check=True)


@pytest.mark.parametrize("is_database_away", [False, True], ids=["database", "no database"])
@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_journal_of_an_earlier_version_on_a_full_disk(
    database: EmbeddedPostgres, tmp_path: Path, server_logs: Path, kind: str, *, is_database_away: bool
) -> None:
    """An earlier version's journal without reserved room is stored and replaced, and then events are accepted again."""
    with small_disk(tmp_path / "disk", 24, kind) as disk, site(disk.folder, server_logs, database) as made:
        ids = old_journal(made.journal, tmp_path)
        disk.fill()
        if is_database_away:
            made.database_goes()
        made.collector.start(wait=False)
        wait_until(lambda: listens(made.collector.port), lambda: made.collector.log.read_text()[-2000:])
        if is_database_away:
            stop(made.collector)
            made.collector.start(wait=False)
            made.database_comes()
        wait_until(lambda: ids <= set(rows_in(made.dsn)), lambda: made.collector.log.read_text()[-2000:])
        wait_until(lambda: made.collector.total("duckwatch_journal_requests") == 0, "it empties without room")
        made.source.acknowledged |= ids
        made.source.sent = len(ids)  # the old journal's ids differ
        wait_until(lambda: made.source.send(5) == 202, "its own room is enough for new events")
        stop(made.collector)
        disk.clear()
        made.collector.start(wait=False)
        wait_until(lambda: listens(made.collector.port), lambda: made.collector.log.read_text()[-2000:])
        made.is_well()
        stop(made.collector)


def old_journal(path: Path, folder: Path) -> set[str]:
    """Make a journal as a killed earlier version left it. Return the queue ids in it."""
    writer = Collector(folder / "earlier", folder, "postgresql://postgres@127.0.0.1:1/nowhere")
    writer.start()
    source = Source(writer, 2_000)
    for _ in range(40):
        assert source.send(50) == 202
    stop(writer)
    with (
        contextlib.closing(sqlite3.connect(folder / "earlier" / "journal")) as now,
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as earlier,
    ):
        earlier.execute("PRAGMA journal_mode = WAL")
        earlier.execute("PRAGMA wal_autocheckpoint = 0")
        earlier.execute(now.execute("SELECT sql FROM sqlite_master WHERE name = 'requests'").fetchone()[0])
        earlier.executemany("INSERT INTO requests VALUES (?, ?, ?)", now.execute("SELECT * FROM requests").fetchall())
        kept = {name: path.with_name(name).read_bytes() for name in ("journal", "journal-wal")}
    for name, content in kept.items():
        path.with_name(name).write_bytes(content)
    return source.acknowledged
