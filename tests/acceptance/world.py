"""Every server of the acceptance tests: ZoneMTA with our plugin, its MongoDB, Redis and sinks; the collector;
TimescaleDB; Prometheus.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.servers.collector import Collector
from tests.servers.process import free_port
from tests.servers.prometheus import Prometheus
from tests.servers.proxy import Proxy
from tests.servers.redis import Redis
from tests.servers.secantus import Secantus
from tests.servers.sinks import Sinks
from tests.servers.timescale import Timescale
from tests.servers.wildduck import DATABASE, WildDuck
from tests.servers.zonemta import Options, ZoneMTA

if TYPE_CHECKING:
    from pathlib import Path

CLUSTER = "eu1"
HOST = "mta1.mail.example"


class World:
    """The servers of a monitored mail system. Raise `MissingServerError` if one is not installed."""

    def __init__(
        self, folder: Path, logs: Path, *, small: bool = False, backed_up: bool = False, with_wildduck: bool = False
    ) -> None:
        """Prepare the servers without starting them.

        `small`: ZoneMTA has only the zones that it needs, and does not check for spam and viruses.
        `backed_up`: the backup sources are on. The collector follows MongoDB's change stream, ZoneMTA posts its
        bounces, and the collector takes GELF on `gelf_port`.
        `with_wildduck`: a WildDuck runs on the same MongoDB and Redis. The collector follows its database, and
        WildDuck sends webhooks and GELF.
        """
        self.sinks = Sinks(folder, logs)
        self.redis = Redis(logs)
        # Tests kill MongoDB only where the collector follows ZoneMTA's queue, and no WildDuck runs.
        self.mongo = Secantus(folder / "mongo", logs, sync=backed_up and not with_wildduck)
        self.postgres = Timescale(logs)
        self._folder, self._logs, self._is_small, self._is_backed_up = folder, logs, small, backed_up
        self.spool = folder / "spool"
        self.gelf_port = free_port()
        self._with_wildduck = with_wildduck
        if with_wildduck:
            mongo = self.mongo.uri(DATABASE)
            self.wildduck = WildDuck(folder / "wildduck", logs, mongo, self.redis.port, gelf_port=self.gelf_port)
        self.dsn = ""

    def start(self) -> None:
        """Start every server, the databases first. Return when ZoneMTA takes mail."""
        self.postgres.initialise()
        self.postgres.start()
        self.dsn = self.postgres.create_database()
        self.mongo.start()
        self.collector = Collector(self._folder / "collector", self._logs, self.dsn, self._other_roads())
        self.collector.start()
        if self._is_backed_up:
            self.road = Proxy(self.collector.port)
        targets = {"duckwatch": [f"127.0.0.1:{self.collector.port}"]}
        self.prometheus = Prometheus(self._folder / "prometheus", self._logs, targets)
        self.prometheus.start()
        self.sinks.start()
        self.redis.start()
        options = Options(plugin=self.plugin)
        if self._is_small:
            options = replace(options, zones=("default", "bounces"), checks=False)
        if self._is_backed_up:
            options = replace(options, bounce_url=f"{self.collector.url_with_token}/api/events/bounce")
        if self._with_wildduck:
            self.wildduck.start()
            self.wildduck.post_webhooks(f"{self.collector.url_with_token}/api/events/wildduck")
        mongo = self.mongo.uri("zone-mta")
        self.zonemta = ZoneMTA(self._folder / "zonemta", self._logs, self.sinks, mongo, self.redis.port, options)
        self.zonemta.start()

    def stop(self) -> None:
        """Stop every server that was started, and remove the database."""
        for name in ("wildduck", "zonemta", "collector", "prometheus", "mongo", "redis", "sinks"):
            server = getattr(self, name, None)
            if server is not None:
                server.stop()
        self.postgres.remove()

    @property
    def plugin(self) -> dict[str, Any]:
        """The settings of our plugin in ZoneMTA."""
        return {
            "url": f"{self.road_url}/api/events/ingest",
            "token": Collector.token,
            "host": HOST,
            "spool": str(self.spool),
            "batchAge": 100,
            "deadAfter": 3000,
        }

    def _other_roads(self) -> dict[str, Any]:
        """Return the collector's settings for the backup sources."""
        if not self._is_backed_up:
            return {}
        wildduck = DATABASE if self._with_wildduck else None
        mongo = {"cluster": CLUSTER, "uri": self.mongo.uri(""), "wildduck_database": wildduck, "grace": "3s"}
        return {"mongo": [mongo], "gelf": {"udp": f"127.0.0.1:{self.gelf_port}", "cluster": CLUSTER}}

    @property
    def road_url(self) -> str:
        """The collector's URL for the plugin. With backup sources, it is a proxy that tests can cut."""
        return f"http://127.0.0.1:{self.road.port}" if self._is_backed_up else self.collector.url

    def unsent(self) -> list[str]:
        """Return the names (process ids) of the spool folders that still hold unsent events."""
        return [folder.name for folder in self.spool.iterdir() if _holds_events(folder)]


def _holds_events(folder: Path) -> bool:
    try:
        return any(file.stat().st_size for file in folder.iterdir() if file.suffix not in (".json", ".new"))
    except FileNotFoundError:  # another plugin process has claimed or removed the folder
        return False
