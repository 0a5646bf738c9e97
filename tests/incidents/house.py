"""The house of the campaign: real servers with the shipped rules, routes and templates, and mail that flows."""

from __future__ import annotations

import contextlib
import io
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import yaml

from duckwatch.demo.cast import LISTED_ADDRESS, ZONES
from duckwatch.rules.__main__ import main as duckwatch_rules
from tests.alert_rules.alertmanager import adapted, routes
from tests.alert_rules.desk import DEADMAN, SLACK
from tests.incidents.mail import Logins, Mail, Senders
from tests.incidents.messages import Inbox
from tests.servers.alertmanager import Alertmanager
from tests.servers.collector import Collector
from tests.servers.dnsbl import DnsblExporter
from tests.servers.mta import Mta
from tests.servers.nameserver import NameServer, Zone
from tests.servers.postgres import EmbeddedPostgres
from tests.servers.process import free_port, wait_until
from tests.servers.prometheus import Prometheus
from tests.servers.receivers import MailServer, Webhooks
from tests.servers.sinks import make_certificate

if TYPE_CHECKING:
    from pathlib import Path

FASTER = 20
SCRAPE = "2s"
STERN, FRAIL = "bl.lists.example", "frail.lists.example"
HOST = "mta3.eu1.example"
USER, PASSWORD = "alerts@mail.example", "a password, from a file"


class House:
    """All servers. An incident changes one of them, and changes it back."""

    def __init__(self, folder: Path, logs: Path, seed: int, group_wait: str | None = None) -> None:
        self.folder, self._logs = folder, logs
        self._group_wait = group_wait
        self._stack = ExitStack()
        self.rules = folder / "rules"
        build_rules(self.rules)
        self.database = EmbeddedPostgres(logs)
        self._stack.callback(self.database.remove)
        self.stern, self.frail = Zone(STERN), Zone(FRAIL)
        self.stern.ttl = self.frail.ttl = 1
        self.names = NameServer({STERN: self.stern, FRAIL: self.frail})
        self._stack.callback(self.names.close)
        self.mail = Mail(seed)
        self.plugin: Mta | None = None

    def start(self) -> None:
        """Start every server, and the mail."""
        self.database.initialise()
        self.database.start()
        self._start_collector()
        self._start_exporter()
        self._start_alertmanager()
        self._start_prometheus()
        self.start_plugin()

    def stop(self) -> None:
        self._stack.close()

    def start_plugin(self) -> None:
        """Start ZoneMTA's place with the real plugin on a host of its own, and let it tell a delivery."""
        settings = {"url": f"{self.collector.url}/api/events/ingest", "token": self.collector.token, "host": HOST}
        self.plugin = Mta(settings | {"spool": str(self.folder / "spool"), "cluster": "eu1"})
        self.plugin.emit([f"{os.urandom(6).hex()}000"])

    def kill_plugin(self) -> None:
        """Kill the plugin's process."""
        if self.plugin is not None:
            self.plugin.kill()
            self.plugin = None

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts of Prometheus, pending ones too, without the watchdog."""
        found = self.prometheus.api("alerts")["alerts"]
        return [alert for alert in found if alert["labels"]["severity"] != "none"]

    def unsent(self) -> list[dict[str, Any]]:
        """Return the alerts that Alertmanager has now, inhibited ones too, without the watchdog."""
        return [alert for alert in self.alertmanager.alerts() if alert["labels"]["severity"] != "none"]

    def watchdogs(self) -> int:
        """Return how often the dead man's switch was told that alerting works."""
        return len(self.web.at(DEADMAN))

    def pending_seconds(self, alert: str, severity: str) -> float:
        """Return the `for` of an alert in the rules that Prometheus has loaded."""
        groups = self.prometheus.api("rules", type="alert")["groups"]
        found = [
            rule["duration"]
            for group in groups
            for rule in group["rules"]
            if rule["name"] == alert and rule["labels"]["severity"] == severity
        ]
        return float(found[0])

    def _start_collector(self) -> None:
        gelf = free_port()
        addresses = sorted({address for group in ZONES.values() for address in group})
        settings = {"gelf": {"tcp": f"127.0.0.1:{gelf}", "cluster": "eu1"}, "sending_ips": addresses}
        self.collector = Collector(self.folder / "collector", self._logs, self.database.create_database(), settings)
        self._stack.callback(self.collector.stop)
        self.collector.start()
        senders, self.logins = Senders(self.collector.url, self.collector.token, self.mail), Logins(gelf)
        for one in (senders, self.logins):
            self._stack.callback(one.stop)
            one.start()
        self._stack.callback(self.kill_plugin)

    def _start_exporter(self) -> None:
        settings = {
            "resolvers": [self.names.address],
            "timeout": "500ms",
            "interval": "10s",
            "targets": [LISTED_ADDRESS, "203.0.113.30"],
            "lists": [{"zone": zone, "severity": "critical"} for zone in (STERN, FRAIL)],
            "limits": {"queries_per_minute_per_list": None},
        }
        self.exporter = DnsblExporter(self.folder, self._logs, settings)
        self._stack.callback(self.exporter.stop)
        self.exporter.start()

    def _start_alertmanager(self) -> None:
        key, certificate = make_certificate(self.folder)
        self.web = Webhooks()
        self._stack.callback(self.web.stop)
        self.post = MailServer(key, certificate, USER, PASSWORD)
        self._stack.callback(self.post.stop)
        secrets = {"slack_webhook_url": self.web.url + SLACK, "smtp_password": PASSWORD}
        secrets["deadman_url"] = self.web.url + DEADMAN
        for name, content in secrets.items():
            (self.folder / name).write_text(content, encoding="utf-8")
        files = [self.rules / "templates" / "duckwatch.tmpl", certificate, *(self.folder / name for name in secrets)]
        self.alertmanager = Alertmanager(self._logs, self._settings(), files)
        self._stack.callback(self.alertmanager.stop)
        self.alertmanager.start()
        self.inbox = Inbox(self.web, self.post)
        self._stack.callback(self.inbox.stop)

    def _settings(self) -> dict[str, Any]:
        """Return the built alertmanager.yml with addresses on loopback.

        `group_wait` is as shipped, so that a delay is what an operator sees; `group_interval`, for which a resolution
        waits, is shorter like the rules.
        """
        written = yaml.safe_load((self.rules / "alertmanager.yml").read_text(encoding="utf-8"))
        ours = adapted(written, f"127.0.0.1:{self.post.port}")
        for route, shipped in zip(routes(ours), routes(written), strict=True):
            for name in {"group_wait", "group_interval"} & shipped.keys():
                route[name] = shipped[name]
            if "group_interval" in shipped:
                route["group_interval"] = {"5m": "15s", "1m": "3s"}[shipped["group_interval"]]
            if "group_wait" in shipped and self._group_wait is not None:
                route["group_wait"] = self._group_wait
            if route["receiver"] == "deadman":
                route["repeat_interval"] = "2s"
        return ours

    def _start_prometheus(self) -> None:
        targets = {
            "duckwatch-collector": [f"127.0.0.1:{self.collector.port}"],
            "duckwatch-dnsbl": [f"127.0.0.1:{self.exporter.port}"],
        }
        files = [self.rules / "thresholds.yml"]
        files += [path for name in ("recording", "alerts") for path in sorted((self.rules / name).glob("*.yml"))]
        self.prometheus = Prometheus(self.folder / "prometheus", self._logs, targets, files)
        self.prometheus.settle(SCRAPE, self.alertmanager.url)
        self._stack.callback(self.prometheus.stop)
        self.prometheus.start()


def wait_for_watchdog(house: House) -> None:
    """Wait until an alert has gone its whole way. Prometheus sends it again after a minute, if it was not sent before
    the Alertmanager was known.
    """
    wait_until(house.watchdogs, lambda: f"the watchdog: {house.alertmanager.log_text()[-2000:]}", 150)


def build_rules(folder: Path) -> None:
    """Write the rules of the trial, as `duckwatch-rules build` does."""
    options = ("--faster", str(FASTER), "--scrape-interval", SCRAPE)
    with contextlib.redirect_stdout(io.StringIO()):
        assert duckwatch_rules(["build", "--output", str(folder), *options]) == 0
