"""`journal check` counts a journal's requests, merges it into one file, and reports damage."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from typing import TYPE_CHECKING

import pytest

from collector.commands import journal as command
from collector.config import SettingsFiles
from collector.journal.sqlite.check import DamagedJournalError, JournalInUseError, check
from collector.journal.sqlite.journal import SqliteJournal
from tests.servers.process import free_port
from tests.unit.test_journal import LIMIT, request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from collector.config import Settings


def copied(path: Path, target: Path, *, with_log: bool = True) -> Path:
    """Return a copy of an open journal's files, as a kill leaves them."""
    shutil.copy(path, target)
    if with_log:
        shutil.copy(f"{path}-wal", f"{target}-wal")
    return target


@pytest.fixture
async def left(tmp_path: Path) -> Path:
    """Return a journal of five requests, two of them only in its log."""
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
    """Return settings with the journal's path."""
    environ = {
        "DUCKWATCH_COLLECTOR__JOURNAL__PATH": str(path),
        "DUCKWATCH_COLLECTOR__LISTEN": f"127.0.0.1:{free_port()}",
    }
    return SettingsFiles(None, environ).load()


def test_it_counts_and_leaves_one_file(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The check counts the log's requests and moves them into the file, and a second check finds the same."""
    assert command.run(settings(left), None) == 0
    assert f"{left}: 5 requests" in capsys.readouterr().out
    assert not left.with_name("late-wal").exists()
    found = check(left)
    assert (found.requests, found.oldest, found.newest, found.log_bytes, found.damage) == (5, 1000, 1004, None, None)
    assert not found.is_log_missing


def test_it_says_that_the_log_is_missing_until_it_is_brought(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing log is reported each time, until it is there again."""
    log = left.with_name("late-wal").rename(left.with_name("forgotten"))
    for _ in range(2):
        assert command.run(settings(left), left) == 1
        assert f"{left}-wal is missing" in capsys.readouterr().out
    log.rename(f"{left}-wal")
    assert command.run(settings(left), left) == 0
    assert "5 requests" in capsys.readouterr().out


async def test_a_journal_in_use_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal in use is not touched, and the message names its process if known."""
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


def made(path: Path, statement: str) -> Path:
    """Make another program's SQLite file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
    return path


def with_bytes(path: Path, content: bytes) -> Path:
    """Make a file of these bytes."""
    path.write_bytes(content)
    return path


def folder(path: Path) -> Path:
    """Make a folder at the path."""
    path.mkdir()
    return path


def pipe(path: Path) -> Path:
    """Make a pipe at the path, on which a reader would wait for ever."""
    os.mkfifo(path)
    return path


NO_JOURNALS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: path, "there is no such file"),
    "empty": (lambda path: with_bytes(path, b""), "this is not a journal: it is empty"),
    "text": (lambda path: with_bytes(path, b"a text, not a journal" * 500), "it does not begin as an SQLite file"),
    "short": (lambda path: with_bytes(path, b"SQL"), "it does not begin as an SQLite file"),
    "header": (
        lambda path: with_bytes(path, b"SQLite format 3\0" + bytes(9000)),
        "it does not begin as an SQLite file",
    ),
    "folder": (folder, "this is not a journal: it is a folder"),
    "pipe": (pipe, "this is not a journal: it is not a regular file"),
    "stranger": (lambda path: made(path, "CREATE TABLE notes (id INTEGER)"), "another program made it"),
    "same name": (lambda path: made(path, "CREATE TABLE requests (id INTEGER, url TEXT)"), "another program made it"),
}


@pytest.mark.parametrize("kind", NO_JOURNALS)
def test_what_is_no_journal_is_said_to_be_none(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    """A file that is no journal is named as what it is, in one line, and stays unchanged."""
    path = tmp_path / "journal"
    make, says = NO_JOURNALS[kind]
    make(path)
    before = path.read_bytes() if path.is_file() else None
    assert command.run(settings(path), None) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{path}: ")
    assert says in line
    assert (path.read_bytes() if path.is_file() else None) == before
    assert {one.name for one in tmp_path.iterdir()} <= {"journal"}


@pytest.fixture
async def forty(tmp_path: Path) -> Path:
    """Return a journal of forty requests on some ten pages."""
    journal = SqliteJournal(tmp_path / "journal", LIMIT)
    for n in range(40):
        await journal.append(request(n, 2000))
    assert journal.close()
    return tmp_path / "journal"


def damage(path: Path, start: int, end: int) -> None:
    """Overwrite a part with zeros."""
    content = bytearray(path.read_bytes())
    content[start:end] = bytes(end - start)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        (3 * 8192, 3 * 8192 + 100, "the journal is damaged, and cannot be read to its end"),
        (100, 400, "the journal is damaged, and cannot be read to its end"),
        (3 * 8192 + 2000, 3 * 8192 + 2100, "damaged: "),
    ],
    ids=["page", "schema", "row"],
)
def test_a_damaged_file_is_said_to_be_damaged(
    forty: Path, capsys: pytest.CaptureFixture[str], start: int, end: int, says: str
) -> None:
    """A damaged file is reported with SQLite's finding and what to do."""
    damage(forty, start, end)
    assert command.run(settings(forty), None) == 1
    said = capsys.readouterr().out
    assert says in said
    assert "***" not in said
    assert "keep a copy" in said


def test_what_it_advises_saves_what_can_be_read(forty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The advised command makes a new journal with the requests of the undamaged pages, also of a cut file."""
    if shutil.which("sqlite3") is None:
        pytest.skip("SQLite's shell is not installed")
    damage(forty, 3 * 8192, 3 * 8192 + 100)
    assert command.run(settings(forty), None) == 1
    advised = capsys.readouterr().out.splitlines()[-1]
    subprocess.run(["sh", "-c", advised], check=True, capture_output=True)
    assert 20 < check(forty.with_name("journal.saved")).requests < 40
    forty.write_bytes(forty.read_bytes()[: forty.stat().st_size // 2])
    with pytest.raises(DamagedJournalError):
        check(forty)


@pytest.mark.parametrize("is_folder", [False, True], ids=["file", "folder"])
def test_whose_the_file_is_may_check_it(
    forty: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, is_folder: bool
) -> None:
    """Only the file's owner can check it, because SQLite makes a log in its folder; others get a message."""
    denied = forty.parent if is_folder else forty
    mode = denied.stat().st_mode
    denied.chmod(0o555 if is_folder else 0)
    if os.geteuid() == 0:  # root may write everywhere
        monkeypatch.setattr(os, "access", lambda asked, _: not (is_folder and asked == denied))
        if not is_folder:
            monkeypatch.setattr("pathlib.Path.open", refuse)
    assert command.run(settings(forty), forty) == 1
    assert "run the command as the collector's user" in capsys.readouterr().out
    monkeypatch.undo()
    denied.chmod(mode)
    assert check(forty).requests == 40


def refuse(path: Path, *_: object) -> None:
    """Refuse as the system refuses another user."""
    raise PermissionError(13, "Permission denied", str(path))
