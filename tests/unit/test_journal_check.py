"""`journal check`: it counts what is in a journal, makes one file of it, and says what is wrong with it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from collector.commands import journal as command
from collector.config import SettingsFiles
from collector.journal.sqlite.check import JournalInUseError, check
from collector.journal.sqlite.journal import SqliteJournal
from tests.servers.process import free_port
from tests.unit.test_journal import LIMIT, request

if TYPE_CHECKING:
    from pathlib import Path

    from collector.config import Settings


def copied(path: Path, target: Path, *, with_log: bool = True) -> Path:
    """What a kill leaves of an open journal."""
    shutil.copy(path, target)
    if with_log:
        shutil.copy(f"{path}-wal", f"{target}-wal")
    return target


@pytest.fixture
async def left(tmp_path: Path) -> Path:
    """A journal of five requests, two of them in its log alone."""
    journal = SqliteJournal(tmp_path / "journal", LIMIT)
    for n in range(3):
        await journal.append(request(n))
    copied(tmp_path / "journal", tmp_path / "early", with_log=False)
    for n in range(3, 5):
        await journal.append(request(n))
    copied(tmp_path / "journal", tmp_path / "late")
    assert journal.close()
    shutil.copy(tmp_path / "early", tmp_path / "late")
    return tmp_path / "late"


def settings(path: Path) -> Settings:
    """With the journal there."""
    environ = {
        "DUCKWATCH_COLLECTOR__JOURNAL__PATH": str(path),
        "DUCKWATCH_COLLECTOR__LISTEN": f"127.0.0.1:{free_port()}",
    }
    return SettingsFiles(None, environ).load()


def test_it_counts_and_leaves_one_file(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The log's requests count; afterwards the file alone has them, and a second check says the same."""
    assert command.run(settings(left), None) == 0
    assert f"{left}: 5 requests" in capsys.readouterr().out
    assert not left.with_name("late-wal").exists()
    found = check(left)
    assert (found.requests, found.oldest, found.newest, found.log_bytes, found.damage) == (5, 1000, 1004, None, None)
    assert not found.is_log_missing


def test_it_says_that_the_log_is_missing_until_it_is_brought(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each time, and the log is still good afterwards."""
    log = left.with_name("late-wal").rename(left.with_name("forgotten"))
    for _ in range(2):
        assert command.run(settings(left), left) == 1
        assert f"{left}-wal is missing" in capsys.readouterr().out
    log.rename(f"{left}-wal")
    assert command.run(settings(left), left) == 0
    assert "5 requests" in capsys.readouterr().out


async def test_a_journal_in_use_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said who has it, as far as that is known, and the collector goes on."""
    path = tmp_path / "journal"
    journal = SqliteJournal(path, LIMIT)
    await journal.append(request(0))
    before = path.read_bytes()
    with pytest.raises(JournalInUseError):
        check(path)
    assert command.run(settings(path), None) == 1
    assert "a process has it open" in capsys.readouterr().out
    assert path.read_bytes() == before
    await journal.append(request(1))
    assert journal.close()
    assert check(path).requests == 2


def test_what_is_no_journal_is_said_to_be_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No file, another file, a damaged one."""
    path = tmp_path / "journal"
    assert command.run(settings(path), None) == 1
    assert not path.exists()
    path.write_bytes(b"this is a text, not a journal" * 100)
    assert command.run(settings(path), None) == 1
    assert "cannot be read as a journal" in capsys.readouterr().out


async def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what to do."""
    path = tmp_path / "journal"
    journal = SqliteJournal(path, LIMIT)
    for n in range(40):
        await journal.append(request(n, 2000))
    assert journal.close()
    content = bytearray(path.read_bytes())
    content[3 * 8192 : 3 * 8192 + 100] = b"\0" * 100
    path.write_bytes(content)
    assert command.run(settings(path), None) == 1
    said = capsys.readouterr().out
    assert "damaged" in said or "cannot be read as a journal" in said
