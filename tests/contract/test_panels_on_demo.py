"""The demo runs, a real Prometheus scrapes it, and every panel shows data within the first minutes."""

from __future__ import annotations

import math
import re
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest
import yaml

from duckwatch.demo.cast import LISTED_ADDRESS
from grafana.queries import load_query
from tests.alert_rules.rules import RULE_FILES
from tests.contract.test_dashboards import PROMQL, SQL
from tests.servers.demo import Demo, running
from tests.servers.fixtures import need
from tests.servers.process import wait_until
from tests.servers.prometheus import Prometheus
from tests.unit.grafana.macros import expand

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEADLINE_SECONDS = 150
"""Longer than 48 s, when the demo's list begins to list an address."""

EXTERNAL_LABELS = {"cluster": "kubernetes", "replica": "a"}
"""External labels as many a Prometheus has them."""

NOT_IN_DEMO = (
    *("queue_snapshots", "'inbound'", '{task="queue_state"}', 'source="wildduck"', "auth_events", "auth_attempts"),
    *("ingest_rejected_", "ingest_duplicates_", "store_errors_", "store_refusals_", 'result="failed"'),
    *("zonemta_", "wildduck_", "changestream_", "gelf_", "backup_recovered_", "corrections_", "telemetry_"),
    *('component=~"queue"', 'component=~"logins"', 'component=~"mta"', 'component=~"pipeline|database"'),
    *('component=~"delivery', 'severity="critical"', "mail_complaint", "broken_policies", "unless on () duckwatch_"),
)
"""What is read by panels that the demo leaves empty: it has no faults, no ZoneMTA, no MongoDB, no WildDuck, no other
source, no complaints, no TimescaleDB, and in its first minutes no alert but that of its listing.

`test_the_demo_has_none_of_what_is_left_out` holds this list to be no longer than it must.
"""

WITHOUT_SERIES = re.compile(
    r"^vector\(.* unless on \(\) wildduck_|or (vector\(\d+\)|0 \* max\(duckwatch_build_info\))$", re.DOTALL
)
"""An expression that has a sample without any series, or as soon as the collector is scraped."""


def _is_played(text: str) -> bool:
    return WITHOUT_SERIES.search(text) is not None or not any(part in text for part in NOT_IN_DEMO)


def _played(asked: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in asked.items() if _is_played(text)}


each_sql = pytest.mark.parametrize("sql", _played(SQL).values(), ids=_played(SQL))
each_promql = pytest.mark.parametrize("expr", _played(PROMQL).values(), ids=_played(PROMQL))

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """Yield a running demo."""
    with running("--rate", "50", "--history", "1", "--seconds", "1200") as place:
        yield place


@pytest.fixture(scope="module")
def prometheus(demo: Demo, tmp_path_factory: pytest.TempPathFactory, server_logs: Path) -> Iterator[Prometheus]:
    """Yield a Prometheus that scrapes the demo and evaluates the rules each second, so that tests need not wait."""
    folder = tmp_path_factory.mktemp("prometheus")
    rules = [_quick(path, folder) for path in RULE_FILES]
    server = need(lambda: Prometheus(folder, server_logs, demo.targets, rules, EXTERNAL_LABELS))
    server.start()
    try:
        yield server
    finally:
        server.stop()


@each_sql
def test_every_query_has_rows(demo: Demo, sql: str) -> None:
    """No query on the event table is empty over the last hours of the demo."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    with psycopg.connect(demo.dsn, autocommit=True) as connection:
        while not _rows(connection, sql, _chosen(connection), _newest_failure(connection)):
            assert time.monotonic() < deadline, "no rows"
            time.sleep(0.2)


@each_promql
def test_every_expression_has_samples(prometheus: Prometheus, expr: str) -> None:
    """Prometheus has a sample for every expression, once it has scraped twice."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not _numbers(prometheus, expr):
        assert time.monotonic() < deadline, f"no sample for {_sent(expr)}"
        time.sleep(0.5)


def test_the_demo_has_none_of_what_is_left_out(demo: Demo, prometheus: Prometheus) -> None:
    """What the demo can show is tested above: each query that is left out finds nothing in it."""
    # Alerts about providers and the enforced listing fire after some minutes: it depends on the tests before this one.
    left_out = [(name, text) for name, text in PROMQL.items() if not (_is_played(text) or "ALERTS" in text)]
    found = {name for name, text in left_out if _numbers(prometheus, text)}
    with psycopg.connect(demo.dsn, autocommit=True) as connection:
        chosen, typed = _chosen(connection), _newest_failure(connection)
        left_out = [(name, text) for name, text in SQL.items() if not _is_played(text)]
        found |= {name for name, text in left_out if _rows(connection, text, chosen, typed)}
    assert found == set()


def test_external_labels_stand_beside_the_mail_cluster(prometheus: Prometheus) -> None:
    """Prometheus adds its external labels to all series, because none of them has a label of that name."""
    found = prometheus.federated
    for series in ("duckwatch_mail_events_total", '{__name__=~"mail_cluster_zone:.+"}'):
        wait_until(partial(found, series), f"there are {series}", seconds=60)
        for sample in found(series):
            assert 'cluster="kubernetes"' in sample
            assert 'mail_cluster="' in sample


def test_only_the_watchdog_fires(prometheus: Prometheus) -> None:
    """On a healthy system only the watchdog fires, beside the alert for the demo's listing."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (firing := _alerts(prometheus)):
        assert time.monotonic() < deadline, "the watchdog does not fire"
        time.sleep(0.5)
    assert firing == {"DuckwatchWatchdog"}


def _numbers(prometheus: Prometheus, expr: str) -> list[float]:
    """Return the values of the expression's series now, without NaN, which is a quantile of nothing."""
    return [value for value in prometheus.query(_sent(expr)).values() if not math.isnan(value)]


def _sent(expr: str) -> str:
    """Return the expression with every value chosen, over the time that the demo runs."""
    times = expr.replace("$__rate_interval", "30s").replace("$__range", "1m")
    # The interval of an annotation is longer than the demo runs: what has begun meanwhile is marked.
    return re.sub(r'=~"\$\w+"', '=~".*"', times.replace("$__interval", "10m"))


def _chosen(connection: psycopg.Connection) -> list[str]:
    """Every value of every variable with several."""
    names = ("shared/clusters", "shared/providers", "shared/zones", "shared/addresses")
    return [row[1] for name in names for row in _rows(connection, load_query(name), [], "")]


def _newest_failure(connection: psycopg.Connection) -> str:
    """What a viewer types into the trace: the queue id of a message that bounced."""
    newest = "SELECT queue_id FROM mail_events WHERE action = 'bounced' AND queue_id IS NOT NULL ORDER BY time DESC"
    row = connection.execute(f"{newest} LIMIT 1".encode()).fetchone()
    return str(row[0]) if row else ""


def _rows(connection: psycopg.Connection, sql: str, values: list[str], typed: str) -> list[tuple[str, ...]]:
    end = datetime.now(tz=UTC)
    one = "all" if "$tenant" in sql else typed
    sent = expand(sql, start=end - timedelta(hours=6), end=end, interval="1m", values=values, text=one)
    return connection.execute(sent).fetchall()


def _alerts(prometheus: Prometheus) -> set[str]:
    """Return the firing alerts, without those of the demo's listing."""
    firing = [alert["labels"] for alert in prometheus.api("alerts")["alerts"] if alert["state"] == "firing"]
    return {labels["alertname"] for labels in firing if labels.get("target") != LISTED_ADDRESS}


def _quick(path: Path, folder: Path) -> Path:
    rules = yaml.safe_load(path.read_text())
    for group in rules["groups"]:
        group["interval"] = "1s"
    copy = folder / f"{path.parent.name}-{path.name}"
    copy.write_text(yaml.safe_dump(rules))
    return copy
