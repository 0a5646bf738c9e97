"""The servers that a ZoneMTA under test uses: SMTP, LMTP and HTTP sinks, simulated rspamd and clamd (sinks.js)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.servers import installed
from tests.servers.process import Process, free_port, listens

PROGRAM = Path(__file__).parent / "zonemta" / "sinks.js"
SINKS = ("tls", "plain", "silent", "closing", "lmtp", "http", "rspamd", "clamd")


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a key and a self-signed certificate (2048 bits, because OpenSSL refuses smaller ones)."""
    key, certificate = folder / "key.pem", folder / "cert.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=mail.example"]
    words += ["-addext", "subjectAltName=DNS:mail.example,IP:127.0.0.1"]
    subprocess.run(["openssl", *words, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return key, certificate


def read_lines(*files: Path) -> list[dict[str, Any]]:
    """Return the JSON lines of some files."""
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


class Sinks:
    """The sinks of all mail (zonemta/sinks.js). The recipient's name decides: accept, greylist,
    refuse, no answer, cut.
    """

    def __init__(self, folder: Path, logs: Path) -> None:
        self.ports = {name: free_port() for name in SINKS}
        self.seen_file = folder / "sinks.jsonl"
        self.seen_file.touch()
        self.key, self.certificate = make_certificate(folder)
        self._project = installed.zonemta()
        self._log = logs / f"sinks-{self.ports['tls']}.log"
        self._process: Process | None = None

    def routes(self) -> dict[str, dict[str, Any]]:
        """Return recipient domain -> sink, for plugins/route.js."""
        tls, plain = self.ports["tls"], self.ports["plain"]
        return {
            "gmail.example": {"exchange": "gmail-smtp-in.l.gmail.example", "port": tls},
            "outlook.example": {"exchange": "outlook-example.mail.protection.outlook.example", "port": tls},
            "yahoo.example": {"exchange": "mta5.am0.yahoodns.example", "port": tls},
            "corp.example": {"exchange": "mx1.corp.example", "port": plain},
            "icloud.example": {"exchange": "mx01.mail.icloud.example", "port": plain},
            "refused.example": {"port": free_port()},  # no server listens there
            "hang.example": {"port": self.ports["silent"]},
            "drop.example": {"port": self.ports["closing"]},
            "lmtp.example": {"exchange": "lmtp.example", "port": self.ports["lmtp"], "lmtp": True},
            "http.example": {"port": self.ports["http"], "http": True},
            "nodns.example": {"nowhere": True},
            "*": {"port": plain},
        }

    def seen(self) -> list[dict[str, Any]]:
        """Return their answers in order, in the form that sinks.js describes."""
        return read_lines(self.seen_file)

    def start(self) -> None:
        """Start them and wait until all listen."""
        settings = {
            "project": str(self._project),
            "key": str(self.key),
            "cert": str(self.certificate),
            "log": str(self.seen_file),
            "ports": self.ports,
        }
        self._process = Process("sinks", [installed.node(), PROGRAM, json.dumps(settings)], self._log)
        self._process.wait_ready(lambda: all(listens(port) for port in self.ports.values()))

    def stop(self) -> None:
        """Stop them, if they run."""
        if self._process is not None:
            self._process.stop()
            self._process = None
