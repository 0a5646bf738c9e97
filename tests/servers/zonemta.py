"""A real ZoneMTA from npm with three plugins: the project's, then a recorder, then one that throws."""

from __future__ import annotations

import json
import os
import shutil
import signal
import smtplib
import urllib.request
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.servers import installed
from tests.servers.process import Process, children, free_port, wait_until
from tests.servers.sinks import Sinks, read_lines

HERE = Path(__file__).parent / "zonemta"
PLUGIN = Path(__file__).parents[2] / "zonemta-plugin"
EVERYWHERE = ["receiver", "sender", "main"]
INTERFACES = ("feeder", "submission")


POOL = [{"address": f"127.0.0.{n}", "name": f"mta{n}.mail.example"} for n in (2, 3, 4)]
ZONE = {"processes": 1, "ignoreIPv6": True, "pool": "default"}
ZONES: dict[str, dict[str, Any]] = {
    "default": ZONE | {"connectionCache": {"ttl": 5, "reuseCount": 20}},
    "bounces": ZONE | {"connections": 3},
    "gmail": ZONE | {"connections": 3, "recipientDomains": ["gmail.example"]},
    "bulk": ZONE | {"connections": 2, "senderDomains": ["news.example"]},
}


@dataclass(slots=True)
class Options:
    """The options of a ZoneMTA.

    `plugin` holds the settings of the project's plugin (None: without it). `thrower` adds the plugin that throws.
    """

    plugin: dict[str, Any] | None = None
    thrower: bool = True
    bounce_url: str | None = None  # the URL that ZoneMTA's plugin http-bounce posts to
    checks: bool = True  # rspamd and clamd check each message
    defer_times: list[int] = field(default_factory=lambda: [1000, 1000, 1000, 1000])  # ms between attempts
    zones: tuple[str, ...] = tuple(ZONES)  # one process each, but for `senders`
    delay_dsn_after: int = 2500  # ms in the queue until the sender gets a DSN about the delay
    connections: int = 5  # of the zone `default`
    senders: int = 1  # processes of the zone `default`


class ZoneMTA:
    """One installation. Its folder holds configuration, plugins and records. It can be stopped,
    killed and restarted.
    """

    def __init__(self, folder: Path, logs: Path, sinks: Sinks, mongo: str, redis_port: int, options: Options) -> None:
        self.folder = folder
        self.port = free_port()
        self.submission_port = free_port()
        self.api_port = free_port()
        self._queue_port = free_port()
        self._project = installed.zonemta()
        self._log = logs / f"zonemta-{self.port}.log"
        self._process: Process | None = None
        self.records = folder / "records"
        self.records.mkdir(parents=True)
        self._lay_plugins()
        self._config = folder / "zonemta.json"
        self._zones = {name: settings for name, settings in ZONES.items() if name in options.zones}
        self._zones["default"] = ZONES["default"] | {
            "connections": options.connections,
            "processes": options.senders,
        }
        self._sinks, self._options = sinks, options
        self._settings = {
            **self._servers(mongo, redis_port, sinks),
            "zones": self._zones,
            "queue": {"deferTimes": options.defer_times},
        }
        self.load_plugin(options.plugin)

    def load_plugin(self, plugin: dict[str, Any] | None) -> None:
        """Set the settings of the project's plugin for the next start. None: run without it."""
        plugins = self._plugins(self._sinks, replace(self._options, plugin=plugin))
        self._config.write_text(json.dumps(self._settings | {"plugins": plugins}, indent=1), encoding="utf-8")

    def _lay_plugins(self) -> None:
        plugins = self.folder / "plugins"
        plugins.mkdir()
        for source in (HERE / "plugins").iterdir():
            shutil.copy(source, plugins)
        shutil.copytree(PLUGIN, plugins / "duckwatch", ignore=shutil.ignore_patterns("node_modules", "test*"))

    def _servers(self, mongo: str, redis_port: int, sinks: Sinks) -> dict[str, Any]:
        here = {"host": "127.0.0.1", "processes": 1, "enabled": True}
        tls = {"starttls": True, "key": str(sinks.key), "cert": str(sinks.certificate)}
        return {
            "name": "mail.example",
            "dbs": {"mongo": mongo, "sender": "zone-mta", "redis": {"host": "127.0.0.1", "port": redis_port, "db": 3}},
            "pluginsPath": str(self.folder / "plugins"),
            # The package's default is relative to the working directory.
            "corePluginsPath": str(self._project / "node_modules/@zone-eu/zone-mta/plugins"),
            "smtpInterfaces": {
                "feeder": here | {"port": self.port, "authentication": False},
                "submission": here | {"port": self.submission_port, "authentication": True, "maxRecipients": 100} | tls,
            },
            "dns": {"caching": False, "blockLocalAddresses": False},
            "mtaSts": {"enabled": False},
            "api": {"port": self.api_port, "host": "127.0.0.1", "maildrop": True},
            "queueServer": {"port": self._queue_port, "host": "127.0.0.1", "hostname": "127.0.0.1"},
            "log": {"level": "info", "remote": False},
            "dkim": {"enabled": False},
            "pools": {"default": POOL},
            "domainConfig": {"default": {"maxConnections": 5, "disabledAddresses": []}},
        }

    def _plugins(self, sinks: Sinks, options: Options) -> dict[str, Any]:
        anywhere = {"interfaces": ["*"], "ignoreOrigins": []}
        dsn = {
            "enabled": "main",
            "sendingZone": "bounces",
            "delayEmail": {"enabled": True, "after": options.delay_dsn_after},
            "mailerDaemon": {"name": "Mail Delivery Subsystem", "address": "mailer-daemon@[HOSTNAME]"},
        }
        plugins: dict[str, Any] = {
            "record": {"enabled": EVERYWHERE, "ordering": 2, "folder": str(self.records)},
            "route": {"enabled": ["receiver", "sender"], "ordering": 4, "routes": sinks.routes()},
            "core/email-bounce": dsn,
        }
        if options.plugin is not None:
            plugins["duckwatch"] = {"enabled": EVERYWHERE, "ordering": 1} | options.plugin
        if options.bounce_url is not None:
            plugins["core/http-bounce"] = {"enabled": "main", "url": options.bounce_url}
        if options.thrower:
            plugins["throw"] = {"enabled": EVERYWHERE, "ordering": 3}
        if options.checks:
            spam = {
                "enabled": ["receiver", "sender"],
                "url": f"http://127.0.0.1:{sinks.ports['rspamd']}/check",
                "maxSize": 5242880,
            }
            virus = {"enabled": "receiver", "port": sinks.ports["clamd"], "host": "127.0.0.1"}
            plugins["core/rspamd"] = spam | anywhere | {"dropSpam": False}
            plugins["core/clamav"] = virus | anywhere
        return plugins

    def start(self) -> None:
        """Start it and wait until it takes mail."""
        assert self._process is None, "it runs already"
        program = self._project / "node_modules/@zone-eu/zone-mta/app.js"
        environment = os.environ | {"NODE_ENV": "production"}
        self._process = Process(
            "zonemta",
            [installed.node(), program, f"--config={self._config}"],
            self._log,
            env=environment,
            cwd=self.folder,
        )
        self._process.wait_ready(lambda: self.has_plugins() and self.takes_mail(), seconds=60)

    def has_plugins(self) -> bool:
        """Return True when every process has loaded its plugins, so that the recorder has begun its file.

        The master loads its plugins last, after it has begun to serve.
        """
        processes = self.everyone()
        recording = {int(file.name.split("-")[1]) for file in self.records.iterdir()}
        senders = sum(zone["processes"] for zone in self._zones.values())
        return len(processes) == 1 + senders + len(INTERFACES) and processes <= recording

    def takes_mail(self) -> bool:
        """Return True when a receiver greets on both ports. The master accepts connections before it has a receiver."""
        try:
            for port in (self.port, self.submission_port):
                with smtplib.SMTP("127.0.0.1", port, timeout=5):
                    pass
        except (OSError, smtplib.SMTPException):
            return False
        return True

    @property
    def pid(self) -> int:
        """The master's process id."""
        assert self._process is not None
        return self._process.pid

    def everyone(self) -> set[int]:
        """Return the process ids of the master and its children."""
        return {self.pid, *self.processes("sender/"), *self.processes("receiver/")}

    def processes(self, title: str) -> list[int]:
        """Return the children whose title contains a text, like `sender/`, `sender/default` or `receiver/`."""
        return [pid for pid, name in children(self.pid).items() if title in name]

    def stop(self) -> None:
        """Stop the master by SIGTERM, if it runs, and wait for it and its children."""
        if self._process is not None:
            self._process.stop(signal.SIGTERM)
            self._sweep()

    def kill(self) -> None:
        """Kill the master by SIGKILL, and wait until its children have noticed and ended."""
        assert self._process is not None
        self._process.kill()
        self._sweep()

    def kill_all(self) -> None:
        """Kill all its processes by SIGKILL at once."""
        os.killpg(self.pid, signal.SIGKILL)
        self.kill()

    def _sweep(self) -> None:
        assert self._process is not None
        group = self._process.pid
        wait_until(lambda: not _alive(group), "ZoneMTA's children end with their master", seconds=20)
        self._process = None

    def recorded(self) -> list[dict[str, Any]]:
        """Return every entry that the recorder saw, in the order of time: {time_ms, pid, context, entry}."""
        return sorted(read_lines(*self.records.iterdir()), key=lambda record: int(record["time_ms"]))

    def queued(self) -> int:
        """Return the number of recipients in its queue now: ready, in delivery and deferred, in all zones."""
        found = [self.api("GET", f"/counter/zone/{zone}") for zone in self._zones]
        return sum(counts[state]["rows"] for counts in found for state in ("active", "deferred"))

    def api(self, method: str, path: str, **fields: str) -> Any:
        """Call its HTTP API. Return the answer."""
        body = json.dumps(fields).encode() if fields else None
        url = f"http://127.0.0.1:{self.api_port}{path}"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
