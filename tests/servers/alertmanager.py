"""Alertmanager for tests: on loopback, without a cluster, and with a receiver that sends nothing.

Debian's reads templates at a fixed path, so it runs with the Debian 13 tree as its root, and has its files in there.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import yaml

from tests.servers.installed import tree
from tests.servers.process import Process, free_port


class Alertmanager:
    """One server. Raise MissingServerError where it is not installed."""

    def __init__(self, logs: Path) -> None:
        self._tree = tree()
        self._port = free_port()
        self._log = logs / f"alertmanager-{self._port}.log"
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
        settings = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}
        (folder / "alertmanager.yml").write_text(yaml.safe_dump(settings))
        inside = f"/{folder.relative_to(self._tree)}"
        words = [
            *("unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), f"--root={self._tree}", "--wd=/"),
            *("/usr/bin/prometheus-alertmanager", f"--config.file={inside}/alertmanager.yml"),
            *(f"--storage.path={inside}/data", f"--web.listen-address=127.0.0.1:{self._port}"),
            "--cluster.listen-address=",
        ]
        self._process = Process("alertmanager", words, self._log)
        self._process.wait_ready(self._is_ready)

    def stop(self) -> None:
        """End it. Nothing happens when it does not run."""
        if self._process is not None:
            self._process.stop()
            self._process = None
        self._folder.close()

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
        return False
