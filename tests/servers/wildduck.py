"""A real WildDuck from npm: IMAP, POP3, LMTP and its API, in one process."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from typing import TYPE_CHECKING, Any

from tests.docs.blocks import pasted
from tests.servers import installed
from tests.servers.process import Process, free_port, listens

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DATABASE = "wildduck"
WEBHOOKS_URL = "https://any:TOKEN@collector.example:9626/api/events/wildduck"
WEBHOOKS = pasted(f"""  -d '{{"type": ["*"], "url": "{WEBHOOKS_URL}"}}'""")
"""The command that a reader pastes to have webhooks posted."""


class WildDuck:
    """One server on free ports. `mongo` is the URI of its database, `gelf_port` receives its log (None: no GELF).

    With `metrics` it is the newest WildDuck, which serves metrics at `metrics_port`.
    Raise `MissingServerError` if it is not installed.
    """

    def __init__(
        self,
        folder: Path,
        logs: Path,
        mongo: str,
        redis_port: int,
        *,
        gelf_port: int | None = None,
        metrics: bool = False,
    ) -> None:
        self.imap_port, self.pop3_port, self.lmtp_port, self.api_port, self.metrics_port = (
            free_port() for _ in range(5)
        )
        self._project = installed.newest_wildduck() if metrics else installed.wildduck()
        self._metrics = metrics
        self._log = logs / f"wildduck-{self.api_port}.log"
        self._process: Process | None = None
        folder.mkdir(parents=True)
        self._config = folder / "wildduck.json"
        self._config.write_text(json.dumps(self._settings(mongo, redis_port, gelf_port), indent=1), encoding="utf-8")

    def _settings(self, mongo: str, redis_port: int, gelf_port: int | None) -> dict[str, Any]:
        here = {"enabled": True, "host": "127.0.0.1"}
        graylog = {"graylogPort": gelf_port, "graylogHostname": "127.0.0.1", "connection": "lan"}
        return {
            "processes": 1,
            "emailDomain": "wild.example",
            "dbs": {"mongo": mongo, "sender": "zone-mta", "redis": {"host": "127.0.0.1", "port": redis_port, "db": 3}},
            "log": {"level": "info", "gelf": {"enabled": gelf_port is not None, "component": "wildduck",
                "options": graylog}},
            "imap": here | {"port": self.imap_port, "secure": False, "disableSTARTTLS": True},
            "pop3": here | {"port": self.pop3_port, "secure": False, "ignoreSTARTTLS": True},
            "lmtp": here | {"port": self.lmtp_port},
            "api": here | {"port": self.api_port, "secure": False},
            "webhooks": {"enabled": True},
            # Without a cache, a scrape gets the jobs and tasks of its own moment.
            "metrics": here | {"enabled": self._metrics, "port": self.metrics_port, "collectCacheTtl": 0},
        }  # fmt: skip

    def start(self) -> None:
        """Start it and wait until it listens on every port."""
        package = self._project / "node_modules/@zone-eu/wildduck"
        # These settings override its own file, which it looks for in the working directory.
        environment = os.environ | {
            "NODE_ENV": "production",
            "NODE_CONFIG_DIR": str(package / "config"),
            "NO_PROXY": "127.0.0.1",
        }
        argv: list[str | Path] = [installed.node(), package / "server.js", f"--config={self._config}"]
        self._process = Process("wildduck", argv, self._log, env=environment, cwd=package)
        ports = self.imap_port, self.pop3_port, self.lmtp_port, self.api_port
        self._process.wait_ready(lambda: all(listens(port) for port in ports), seconds=60)

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def post_webhooks(self, url: str) -> None:
        """Make it post every webhook to this URL, by the command of the documents."""
        own = f"http://127.0.0.1:{self.api_port}"
        text = WEBHOOKS.text.replace("https://wildduck.example", own).replace(WEBHOOKS_URL, url)
        text = text.replace("?accessToken=…", "")  # its API asks for none here
        words = ["bash", "-e", "-c", text]
        said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True, env={"PATH": os.defpath})
        assert json.loads(said.stdout).get("success"), said.stdout

    def api(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call its API. Return the answer."""
        text = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.api_port}{path}"
        request = urllib.request.Request(url, text, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            said: dict[str, Any] = json.load(answer)
        assert said.get("success"), said
        return said
