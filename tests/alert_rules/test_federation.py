"""A global Prometheus with the example of federation: what it takes, and that its sums are those of the sites."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from tests.alert_rules.rules import RULE_FILES, RULES, all_rules, run
from tests.servers.fixtures import need
from tests.servers.process import wait_until
from tests.servers.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLE = yaml.safe_load((RULES / "federation.yml").read_text(encoding="utf-8"))
JOB = EXAMPLE["scrape_configs"][0]
TAKEN, NOT_TAKEN = re.findall(r'__name__[=!]~"([^"]*)"', JOB["params"]["match[]"][0])

MOST = 20_000
ZONES, PROVIDERS, ADDRESSES, LISTS = 20, 12, 32, 40
SIZES = {
    "mail_cluster": 1,
    "zone": ZONES,
    "provider": PROVIDERS,
    "local_ip": ADDRESSES,
    "class": 8,
    "outcome": 5,
    "le": 13,
}
"""How many values a label has in the largest installation that the limit of series is for."""


def taken() -> list[str]:
    """Return the recorded series that the example federates."""
    names = [rule.name for rule in all_rules() if not rule.is_alert]
    return [name for name in names if re.fullmatch(TAKEN, name) and not re.fullmatch(NOT_TAKEN, name)]


def test_a_large_installation_federates_few_series() -> None:
    """20 zones with 12 providers each, 32 addresses and 40 lists come to at most 20,000 series."""
    series = 0
    for name in taken():
        product = 1
        for label in re.findall(r"mail_cluster|local_ip|[a-z]+", name.partition(":")[0].removeprefix("all")):
            product *= SIZES[label]
        series += product
    assert series + ADDRESSES * LISTS <= MOST


def test_what_is_federated_adds_up() -> None:
    """No ratio, percentile or limit is taken: only rates and sums, whose sums over sites mean something."""
    assert not [name for name in taken() if re.search(r"ratio|quantile|limit|known|burn", name)]
    assert "mail_cluster_zone_class:duckwatch_mail_outcomes:rate5m" in taken()
    assert "mail_cluster_zone:duckwatch_queue_messages:sum" in taken()


@pytest.mark.servers
def test_promtool_accepts_the_example(promtool: Path) -> None:
    """The example is a configuration that Prometheus loads."""
    done = run(promtool, "check", "config", "federation.yml")
    assert done.returncode == 0, done.stdout + done.stderr


class Site:
    """A page of metrics on loopback that grows steadily, as a collector's, and the Prometheus that scrapes it."""

    def __init__(self, folder: Path, name: str, step: int) -> None:
        self.step = step
        registry = CollectorRegistry()
        labels = ("mail_cluster", "zone", "provider", "class")
        self._outcomes = Counter("duckwatch_mail_outcomes_total", "", labels, registry=registry)
        queue = Gauge("duckwatch_queue_messages", "", ("mail_cluster", "zone", "state"), registry=registry)
        queue.labels("eu1", "default", "queued").set(step)
        self._server, _ = start_http_server(0, "127.0.0.1", registry)
        target = f"127.0.0.1:{self._server.server_address[1]}"
        external = {"cluster": f"k8s-{name}", "replica": "a", "region": name}
        self.prometheus = Prometheus(folder / name, folder, {"mail/collector": [target]}, RULE_FILES, external)
        self.prometheus.start()

    def grow(self) -> None:
        self._outcomes.labels("eu1", "default", "google", "deferred").inc(self.step)

    def stop(self) -> None:
        self.prometheus.stop()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[list[Site]]:
    found = [need(lambda: Site(tmp_path, "a", 3)), need(lambda: Site(tmp_path, "b", 5))]
    yield found
    for site in found:
        site.stop()


@pytest.mark.servers
def test_the_global_sums_are_those_of_the_sites(sites: list[Site], tmp_path: Path) -> None:
    """Two sites with the same mail cluster stay apart by their external labels, and their rates and queues add up."""
    targets = [site.prometheus.url.removeprefix("http://") for site in sites]
    over = Prometheus(tmp_path / "global", tmp_path, {})
    job: dict[str, Any] = {**JOB, "static_configs": [{"targets": targets}], "scrape_interval": "1s"}
    over._settings["scrape_configs"] = [job]
    over.start()
    deferrals = 'mail_cluster_zone_class:duckwatch_mail_outcomes:rate5m{class="deferred"}'
    queued = "mail_cluster_zone:duckwatch_queue_messages:sum"

    def settled() -> bool:
        for site in sites:
            site.grow()
        return all(len(over.query(f"{name} > 0")) == len(sites) for name in (deferrals, queued))

    try:
        wait_until(settled, "both sites' rates are federated", seconds=120)
        time.sleep(6)  # a federated sample keeps the time of its evaluation, so both have the same one a while later
        now = str(time.time() - 4)
        queue = over.query(f"sum by (mail_cluster) ({queued})")
        assert queue == {(("mail_cluster", "eu1"),): float(sum(site.step for site in sites))}
        assert {dict(labels)["region"] for labels in over.query(deferrals)} == {"a", "b"}
        assert {dict(labels)["cluster"] for labels in over.query(deferrals)} == {"k8s-a", "k8s-b"}
        whole = over.api("query", query=f"sum({deferrals})", time=now)["result"][0]["value"][1]
        parts = [site.prometheus.api("query", query=f"sum({deferrals})", time=now) for site in sites]
        assert float(whole) == pytest.approx(sum(float(part["result"][0]["value"][1]) for part in parts), rel=1e-9)
        firing = over.query('ALERTS{alertname="DuckwatchWatchdog"}')
        assert len(firing) == len(sites)
    finally:
        over.stop()
