"""rbldnsd, the name server that DNS lists use: address, IPv6 and domain zones on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import TYPE_CHECKING

import dns.exception
import dns.message
import dns.query

from tests.servers.installed import command
from tests.servers.process import Process

if TYPE_CHECKING:
    from collections.abc import Mapping

SOA = "$SOA 60 ns.example h.example 0 600 300 86400 60\n"


class Rbldnsd:
    """One server. `zones` maps a zone to its dataset's type (ip4set, ip6trie, dnset) and lines.

    Raise `MissingServerError` if it is not installed.
    """

    def __init__(self, logs: Path, zones: Mapping[str, tuple[str, str]]) -> None:
        self._program = command("rbldnsd")
        self._home = Path(tempfile.mkdtemp(prefix="duckwatch-rbldnsd-"))
        self._home.chmod(0o755)  # it reads its zones as another user
        self._log = logs / "rbldnsd.log"
        self._process: Process | None = None
        self._specs = []
        for zone, (dataset, lines) in zones.items():
            (self._home / zone).write_text(SOA + lines, encoding="utf-8")
            self._specs.append(f"{zone}:{dataset}:{zone}")
        self._first = next(iter(zones))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        user = "nobody" if os.geteuid() == 0 else str(os.geteuid())
        words: list[str | Path] = ["-n", "-u", user, "-w", self._home, "-b", f"127.0.0.1/{self.port}", *self._specs]
        self._process = Process("rbldnsd", [self._program, *words], self._log, cwd=self._home)
        self._process.wait_ready(self._answers)

    def _answers(self) -> bool:
        try:
            dns.query.udp(dns.message.make_query(f"{self._first}.", "SOA"), "127.0.0.1", 0.2, self.port)
        except (OSError, dns.exception.DNSException):
            return False
        return True

    def hang(self, *, hangs: bool = True) -> None:
        """Suspend the process (SIGSTOP), or let it continue."""
        assert self._process is not None
        self._process.send(SIGSTOP if hangs else SIGCONT)

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.stop()
            self._process = None
        shutil.rmtree(self._home, ignore_errors=True)
