"""Thousands of useless connections over the limit of open files: real senders are served, and no process ends."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import resource
import shutil
import socket
import ssl
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.servers.collector import Collector
from tests.servers.dnsbl import DnsblExporter
from tests.servers.process import is_running, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

STRANGERS = 2000
SENDERS = 10
HARD_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
LIMITS = [256, 1024, 65_536 if HARD_LIMIT == resource.RLIM_INFINITY else min(65_536, HARD_LIMIT)]
GROWTH_BYTES = 32 << 20
"""Most memory that a second flood may add to that of the first."""

TLS = Path(__file__).parents[2] / "fixtures" / "tls"
_STRANGE = [
    b"",  # idle
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ",  # sends its head slowly
    b"POST /api/events/ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n[",  # stops in its body
    b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 4,  # does not read its answers
    b"\x16\x03\x01\x02\x00\x01",  # hangs in a TLS handshake; to a plain server it is no HTTP
]


@pytest.fixture(autouse=True)
def _room_for_clients() -> Iterator[None]:
    """Raise this process's limit of open files: it opens all the connections."""
    before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * STRANGERS + 512
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"the hard limit of open files is below {wanted} here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def strangers(port: int) -> Iterator[None]:
    """Open `count` useless connections, of each kind in turn."""
    with contextlib.ExitStack() as stack:
        opened = []
        for number in range(STRANGERS):
            made = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            opened.append(made)
            with contextlib.suppress(OSError):
                made.sendall(_STRANGE[number % len(_STRANGE)])
        for made in opened[1 :: len(_STRANGE)]:
            with contextlib.suppress(OSError):  # the server may have closed it to make room
                made.sendall(b"a")
        yield


def resident_bytes(pid: int) -> int:
    """Return the resident memory of the process."""
    (kilobytes,) = re.findall(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(kilobytes) * 1024


class Sender:
    """A real sender with one connection."""

    def __init__(self, collector: Collector, *, is_tls: bool) -> None:
        self._token = collector.token
        if is_tls:
            context = ssl.create_default_context(cafile=str(TLS / "one.pem"))
            context.check_hostname = False
            self._line: http.client.HTTPConnection = http.client.HTTPSConnection(
                "127.0.0.1", collector.port, timeout=20, context=context
            )
        else:
            self._line = http.client.HTTPConnection("127.0.0.1", collector.port, timeout=20)

    def send(self, queue_id: str) -> int:
        """Send one event. Return the status."""
        event = {"time": time.time_ns() // 1_000_000, "entry": {"id": queue_id, "seq": "001", "action": "ACCEPTED"}}
        self._line.request(
            "POST", "/api/events/ingest", json.dumps([event]), {"Authorization": f"Bearer {self._token}"}
        )
        with self._line.getresponse() as answer:
            answer.read()
            return answer.status

    def close(self) -> None:
        """Close the connection."""
        self._line.close()

    def troubles(self) -> Any:
        """Return the troubles that /readyz names."""
        self._line.request("GET", "/readyz")
        with self._line.getresponse() as answer:
            return json.loads(answer.read())["trouble"]


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("open_files", LIMITS)
def test_who_sends_is_served_among_2000_strangers(
    postgres_dsn: str, tmp_path: Path, server_logs: Path, open_files: int, *, is_tls: bool
) -> None:
    """With 2000 useless connections old senders keep theirs, new ones are served, every event is stored, and memory
    stays constant.
    """
    for name in ("one.pem", "one.key"):
        shutil.copy(TLS / name, tmp_path / name)
    tls = {"tls": {"certificate": str(tmp_path / "one.pem"), "key": str(tmp_path / "one.key")}} if is_tls else {}
    collector = Collector(tmp_path / "collector", server_logs, postgres_dsn, tls)
    collector.open_files = open_files
    collector.start(wait=False)
    wait_until(lambda: listens(collector.port), "the collector listens")
    try:
        with contextlib.closing(Sender(collector, is_tls=is_tls)) as early:
            # The collector listens before its tables are made.
            wait_until(lambda: early.troubles() == {}, "the collector has no trouble")
            assert early.send("early") == 202
            sizes = []
            for flood in range(2):
                with strangers(collector.port):
                    assert early.send(f"early-{flood}") == 202
                    for number in range(SENDERS):
                        wait_until(partial(sends, collector, f"{flood}-{number}", is_tls=is_tls), "it is served")
                    assert early.troubles() == {}
                    sizes.append(resident_bytes(collector.pid))
        with psycopg.connect(postgres_dsn, autocommit=True) as database:
            count = "SELECT count(*) FROM mail_events"
            wait_until(lambda: database.execute(count).fetchone() == (3 + 2 * SENDERS,), "every event is stored")
        assert is_running(collector.pid)
        assert sizes[1] - sizes[0] < GROWTH_BYTES
    finally:
        assert collector.stop() == 0


def sends(collector: Collector, queue_id: str, *, is_tls: bool) -> bool:
    """Send one event over a new connection. Return False where no place was free: every stranger was answered within
    the last second. A plugin tries again, too.
    """
    with contextlib.closing(Sender(collector, is_tls=is_tls)) as late:
        try:
            status = late.send(queue_id)
        except OSError:
            return False
    assert status == 202
    return True


def listens(port: int) -> bool:
    """Return True when a server accepts connections on that port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.mark.parametrize("open_files", LIMITS)
def test_the_dnsbl_exporter_is_scraped_among_2000_strangers(tmp_path: Path, server_logs: Path, open_files: int) -> None:
    """The exporter answers scrapes over new connections among 2000 useless ones."""
    settings = {"resolvers": ["127.0.0.1:9"], "targets": ["192.0.2.1"], "lists": ["bl.example"], "interval": "10s"}
    exporter = DnsblExporter(tmp_path, server_logs, settings)
    exporter.open_files = open_files
    exporter.start()
    try:
        sizes = []
        for _ in range(2):
            with strangers(exporter.port):
                for _ in range(SENDERS):
                    assert exporter.get("/metrics")[0] == 200
                sizes.append(resident_bytes(exporter.pid))
        assert is_running(exporter.pid)
        assert sizes[1] - sizes[0] < GROWTH_BYTES
    finally:
        assert exporter.stop() == 0
