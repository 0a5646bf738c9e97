"""SIGTERM while every part hangs: the collector waits for all within the grace period, and exits with code 0.

As a program (`python -m tests.integration.process.test_ending …`) this module is a collector whose disk, database, jobs
and feeds hang after SIGUSR1.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.collector import Collector
from tests.servers.gelf import send_datagrams
from tests.servers.process import children, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.servers

HANGING = {"an addition": 3, "the disk": 1, "the feed": 1, "the jobs": 1, "the writer": 1}
"""Hanging parts, with the number of each: an HTTP request, a datagram and a frame wait for the disk."""


def test_a_collector_in_which_everything_hangs_ends_in_time(
    postgres_dsn: str, tmp_path: Path, server_logs: Path
) -> None:
    """A collector in which everything hangs ends in time with code 0, not by its last resort."""
    udp, tcp = free_port(), free_port()
    gelf = {"udp": f"127.0.0.1:{udp}", "tcp": f"127.0.0.1:{tcp}", "cluster": "eu1"}
    mongo = [{"cluster": "eu1", "uri": "mongodb://127.0.0.1:1/", "zonemta_database": "zone-mta"}]
    collector = Collector(tmp_path / "collector", server_logs, postgres_dsn, {"gelf": gelf, "mongo": mongo})
    collector.program = [sys.executable, "-m", "tests.integration.process.test_ending"]
    collector.environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    collector.start()
    os.kill(collector.pid, signal.SIGUSR1)
    wait_until(lambda: "everything hangs" in collector.log.read_text(), "everything hangs")
    message = b'{"_mail_action": "queued", "_queue_id": "q1", "_to": "a@b.example"}'
    event = b'[{"entry": {"id": "q2", "action": "QUEUED"}}]'
    head = f"POST /api/events/ingest HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {collector.token}\r\n"
    with (
        socket.create_connection(("127.0.0.1", collector.port)) as request,
        socket.create_connection(("127.0.0.1", tcp)) as frames,
    ):
        request.sendall(f"{head}Content-Length: {len(event)}\r\n\r\n".encode() + event)
        frames.sendall(message + b"\0")
        send_datagrams(udp, [message])
        for part, count in HANGING.items():
            wait_until(lambda: collector.log.read_text().count(f"hangs: {part}\n") >= count, f"{part} hangs")  # noqa: B023
        for child in children(collector.pid):
            os.kill(child, signal.SIGSTOP)
        os.kill(collector.pid, signal.SIGTERM)
        assert collector._process is not None
        assert collector._process.wait(60) == 0
    said = collector.log.read_text()
    assert '"stopped"' in said
    assert "did not stop in time" not in said
    collector._process = None


def hang(owner: object, name: str, part: str, is_on: Callable[[], bool]) -> None:
    """Replace a function that runs in a thread by one that never returns once `is_on`."""
    original = getattr(owner, name)

    def method(*arguments: Any, **named: Any) -> Any:
        if is_on():
            say(f"hangs: {part}")
            threading.Event().wait()
        return original(*arguments, **named)

    setattr(owner, name, method)


def say(text: str) -> None:
    """Log one line."""
    os.write(sys.stderr.fileno(), f"{text}\n".encode())


def main() -> int:
    """Replace the functions, and run the collector."""
    from collector.__main__ import main as collector
    from collector.feeds.mongo import Follower
    from collector.journal.sqlite import journal
    from collector.journal.sqlite.rows import JournalRows
    from collector.pipeline import Writer
    from duckwatch.base import schedule

    is_on = threading.Event()
    journal.STUCK_SECONDS = 1000.0  # else the waiting requests are refused
    append = journal.SqliteJournal.append

    async def noted(self: journal.SqliteJournal, submission: Any) -> None:
        if is_on.is_set():
            say("hangs: an addition")
        await append(self, submission)

    journal.SqliteJournal.append = noted  # type: ignore[method-assign]
    hang(JournalRows, "commit", "the disk", is_on.is_set)
    hang(Writer, "_look_ahead", "the writer", is_on.is_set)
    hang(schedule, "bring_forward", "the jobs", is_on.is_set)
    hang(Follower, "_follow", "the feed", lambda: True)

    def begin(*_: object) -> None:
        is_on.set()
        say("everything hangs")

    signal.signal(signal.SIGUSR1, begin)
    return collector()


if __name__ == "__main__":
    sys.exit(main())
