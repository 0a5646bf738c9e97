"""The demo's Prometheus and Alertmanager, where their programs exist, with duckwatch's rules at shorter times."""

from __future__ import annotations

import contextlib
import os
import shutil
from datetime import timedelta
from signal import SIGHUP, SIGTERM
from typing import TYPE_CHECKING, Final

import aiohttp
import yaml

from duckwatch.demo.child import Child
from duckwatch.demo.postgres import free_port
from duckwatch.demo.service import environment
from duckwatch.rules.adapt import Adaptation, adapted
from duckwatch.rules.pack import THRESHOLDS, dump, rule_files

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from duckwatch.rules.pack import Document

SCRAPE_SECONDS: Final = 2
FASTER: Final = 20
"""The rules' times are divided by this, so that an alert fires while somebody watches."""

READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
PROGRAMS: Final = {"prometheus": ("prometheus",), "alertmanager": ("alertmanager", "prometheus-alertmanager")}
"""Names of each program, as its makers and as Debian call it."""


def programs() -> dict[str, str] | None:
    """Return the paths of Prometheus and Alertmanager, or None if this machine lacks one of them."""
    found = {name: next(filter(None, map(shutil.which, names)), None) for name, names in PROGRAMS.items()}
    return {name: path for name, path in found.items() if path is not None} if all(found.values()) else None


class Alerting:
    """A Prometheus that scrapes `targets` (job to `host:port`), and an Alertmanager that notifies nobody."""

    def __init__(self, home: Path, paths: dict[str, str], targets: dict[str, str]) -> None:
        self._home, self._paths, self._targets = home / "alerting", paths, targets
        self._ports = {name: free_port() for name in PROGRAMS}
        self._children: list[Child] = []
        self._has_begun = False

    def url(self, name: str) -> str:
        """Return the base URL of `prometheus` or `alertmanager`."""
        return f"http://127.0.0.1:{self._ports[name]}"

    async def start(self, interrupted: asyncio.Event) -> None:
        """Start both, without rules and targets, and wait until they answer. Raise DemoError or StoppedError."""
        self._home.mkdir(exist_ok=True)
        self._write("alertmanager.yml", {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]})
        self._write("prometheus.yml", {"global": self._intervals()})
        await self._run(
            "alertmanager",
            f"--config.file={self._home / 'alertmanager.yml'}",
            f"--storage.path={self._home / 'alertmanager'}",
            "--cluster.listen-address=",
            interrupted=interrupted,
        )
        await self._run(
            "prometheus",
            f"--config.file={self._home / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._home / 'prometheus'}",
            interrupted=interrupted,
        )

    def begin(self) -> None:
        """Let Prometheus scrape and evaluate the rules, once.

        Not before the history has been sent: its events are a day old, so the ingest objective would burn.
        """
        if not self._has_begun:
            self._has_begun = True
            self._write_rules()
            self._write("prometheus.yml", self._settings())
            os.kill(self._children[-1].pid, SIGHUP)

    def check(self) -> None:
        """Raise DemoError if one of them has ended."""
        for child in self._children:
            child.check()

    async def firing(self, session: aiohttp.ClientSession) -> set[str]:
        """Return the names of the alerts that fire now, without the watchdog; none if Prometheus does not answer."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with session.get(f"{self.url('prometheus')}/api/v1/alerts") as answer:
                alerts = (await answer.json())["data"]["alerts"]
            return {
                alert["labels"]["alertname"]
                for alert in alerts
                if alert["state"] == "firing" and alert["labels"]["severity"] != "none"
            }
        return set()

    async def stop(self, hurry: asyncio.Event) -> None:
        """Stop both by SIGTERM, or kill them when `hurry` is set."""
        for child in reversed(self._children):
            await child.stop(SIGTERM, STOP_SECONDS, hurry)

    async def _run(self, name: str, *words: str, interrupted: asyncio.Event) -> None:
        listen = f"--web.listen-address=127.0.0.1:{self._ports[name]}"
        log = self._home.parent / f"{name}.log"
        child = Child(name, [self._paths[name], *words, listen], log, directory=self._home, environment=environment())
        await child.start()
        self._children.append(child)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session:
            await child.wait_ready(lambda: self._is_ready(session, name), READY_SECONDS, interrupted)

    async def _is_ready(self, session: aiohttp.ClientSession, name: str) -> bool:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with session.get(f"{self.url(name)}/-/ready") as answer:
                return answer.status == 200
        return False

    def _write(self, name: str, document: Document) -> None:
        (self._home / name).write_text(yaml.safe_dump(document), encoding="utf-8")

    def _write_rules(self) -> None:
        trial = Adaptation(faster=FASTER, scrape_interval=timedelta(seconds=SCRAPE_SECONDS))
        rules = self._home / "rules"
        for path, document in rule_files().items():
            place = rules / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(dump(adapted(document, trial)), encoding="utf-8")

    def _intervals(self) -> dict[str, str]:
        return dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), f"{SCRAPE_SECONDS}s")

    def _settings(self) -> Document:
        manager = self.url("alertmanager").removeprefix("http://")
        return {
            "global": self._intervals(),
            "rule_files": [f"rules/{name}" for name in (THRESHOLDS, "recording/*.yml", "alerts/*.yml")],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [manager]}]}]},
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in self._targets.items()
            ],
        }
