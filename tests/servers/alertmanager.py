"""Alertmanager for tests: on loopback and without a cluster. Without settings its receiver sends nothing.

Debian's reads templates at a fixed path, so it runs with the Debian 13 tree as its root, and has its files in there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import urllib.request
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from tests.servers.installed import tree
from tests.servers.process import Process, free_port

NOBODY: dict[str, Any] = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}


class Alertmanager:
    """One server. `files` are copied beside its settings; `{folder}` in the settings becomes that folder's path.

    Raise MissingServerError where it is not installed.
    """

    def __init__(self, logs: Path, settings: dict[str, Any] | None = None, files: list[Path] | None = None) -> None:
        self._tree = tree()
        self._port = free_port()
        self._log = logs / f"alertmanager-{self._port}.log"
        self._settings = settings or NOBODY
        self._files = files or []
        self._folder = ExitStack()
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and return when it is ready."""
        made = tempfile.TemporaryDirectory(prefix="duckwatch-alertmanager-", dir=self._tree / "var" / "tmp")
        folder = Path(self._folder.enter_context(made))
        inside = f"/{folder.relative_to(self._tree)}"
        for path in self._files:
            shutil.copy(path, folder)
        text = yaml.safe_dump(self._settings).replace("{folder}", inside)
        (folder / "alertmanager.yml").write_text(text, encoding="utf-8")
        words = [
            *("unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), f"--root={self._tree}", "--wd=/"),
            *("/usr/bin/prometheus-alertmanager", f"--config.file={inside}/alertmanager.yml"),
            *(f"--storage.path={inside}/data", f"--web.listen-address=127.0.0.1:{self._port}"),
            *("--cluster.listen-address=", f"--web.external-url={self.url}"),
        ]
        self._process = Process("alertmanager", words, self._log)
        self._process.wait_ready(self._is_ready)

    def stop(self) -> None:
        """End it. Nothing happens when it does not run."""
        if self._process is not None:
            self._process.stop()
            self._process = None
        self._folder.close()

    def send(self, alerts: list[dict[str, Any]]) -> None:
        """Send it alerts, as a Prometheus does."""
        self._post("alerts", alerts)

    def silence(self, labels: dict[str, str]) -> None:
        """Silence for an hour what has these labels, as its page does."""
        now = datetime.now(UTC)
        matchers = [{"name": name, "value": value, "isRegex": False} for name, value in labels.items()]
        ends = now + timedelta(hours=1)
        times = {"startsAt": now.isoformat(), "endsAt": ends.isoformat()}
        self._post("silences", {"matchers": matchers, "createdBy": "a test", "comment": "a test"} | times)

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that it has, inhibited and silenced ones too."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=30) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found

    def log_text(self) -> str:
        """Return what it has logged."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def _post(self, path: str, content: Any) -> None:
        body = json.dumps(content).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api/v2/{path}", body, headers)
        urllib.request.urlopen(request, timeout=30).close()

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
        return False
