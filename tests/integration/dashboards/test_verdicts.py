"""*Overview*'s verdicts from PromQL: a real Prometheus with made series gives what Python computes from the series."""

from __future__ import annotations

import itertools
import random
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from grafana.dashboards import _verdicts
from tests.servers.fixtures import need
from tests.servers.prometheus import Prometheus, promtool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.servers

STEP = 30
LENGTH = 5 * 3600
LOOKBACK = 300
"""Prometheus takes a series' last sample for so many seconds."""
RATE = 120
CHOSEN = ("eu1", "us1")


@dataclass(frozen=True, slots=True)
class Series:
    """One series: its labels, and its samples by their second since the start."""

    name: str
    labels: dict[str, str]
    samples: Mapping[int, float]

    def at(self, second: int) -> float | None:
        """Return the value that counts at this second, or None if the last sample is too old."""
        recent = [when for when in self.samples if second - LOOKBACK < when <= second]
        return self.samples[max(recent)] if recent else None


def made(seed: int) -> list[Series]:
    """Return series of five hours: each verdict comes about, and some series begin late, end early or have holes."""
    rng = random.Random(seed)
    return [*_queues(rng), *_listings(rng), *_ages(rng), *_errors(rng), *_alerts(rng)]


def _queues(rng: random.Random) -> Iterator[Series]:
    for cluster, zone in (("eu1", "bulk"), ("eu1", "default"), ("us1", "bulk"), ("elsewhere", "bulk")):
        size, samples = 40.0, {}
        for second in range(3600, LENGTH, STEP):
            if second % 1200 == 0:
                growth = rng.choice([0.97, 0.99, 1.0, 1.006, 1.01, 1.03])
            size = min(max(size * growth, 5), 50_000)
            samples[second] = round(size) * (100 if cluster == "elsewhere" else 1)
        yield Series("duckwatch_queue_messages", {"mail_cluster": cluster, "zone": zone, "state": "deferred"}, samples)


def _listings(rng: random.Random) -> Iterator[Series]:
    yield Series("duckwatch_dnsbl_targets", {}, dict.fromkeys(range(1800, LENGTH, STEP), 8.0))
    for number, severity in enumerate(("critical", "warning", "info", "critical")):
        begin = rng.randrange(3600, LENGTH - 3600, STEP)
        labels = {"target": f"192.0.2.{number}", "list": "bl.example", "severity": severity}
        times = range(begin, begin + rng.randrange(600, 3600, STEP), STEP)
        yield Series("duckwatch_dnsbl_listing_info", labels, dict.fromkeys(times, 1.0))


def _ages(rng: random.Random) -> Iterator[Series]:
    for instance in ("a", "b"):
        ages = {
            second: 400.0 * rng.random() ** 8 if second % 3600 < 1800 else 90.0 * rng.random()
            for second in range(2400, LENGTH, STEP)
        }
        yield Series("duckwatch_journal_oldest_age_seconds", {"instance": instance}, ages)
    for cluster, host in (("eu1", "mta1"), ("us1", "mta2"), ("elsewhere", "mta3")):
        seen, samples = 0, {}
        silent = range(1, 0) if cluster == "us1" else range(9000, 9000 + rng.randrange(300, 1500))
        for second in range(1200, LENGTH, STEP):
            seen = seen if second in silent or cluster == "elsewhere" else second - rng.randrange(30)
            samples[second] = float(seen)
        yield Series("duckwatch_plugin_last_seen_timestamp_seconds", {"mail_cluster": cluster, "host": host}, samples)


def _errors(rng: random.Random) -> Iterator[Series]:
    yield Series("duckwatch_build_info", {"version": "1"}, dict.fromkeys(range(1800, LENGTH, STEP), 1.0))
    for kind in ("away", "bad_row"):
        count, samples = 0.0, {}
        for second in range(1800, LENGTH, STEP):
            count = 0.0 if second == 10_800 else count + (rng.random() < (0.9 if kind == "bad_row" else 0.03))
            samples[second] = count
        yield Series("duckwatch_store_errors_total", {"kind": kind}, samples)


def _alerts(rng: random.Random) -> Iterator[Series]:
    watchdog = {"alertname": "DuckwatchWatchdog", "severity": "none", "alertstate": "firing"}
    yield Series("ALERTS", watchdog, dict.fromkeys(range(2400, LENGTH - 2400, STEP), 1.0))
    for name in ("DuckwatchQueueGrows", "DuckwatchNoDeliveries", "NodeDown"):
        for severity in ("critical", "warning"):
            for cluster in ("eu1", "elsewhere", ""):
                for state in ("firing", "pending"):
                    begin = rng.randrange(3000, LENGTH - 5400, STEP)
                    times = range(begin, begin + rng.randrange(60, 900, STEP), STEP)
                    labels = {"alertname": name, "severity": severity, "alertstate": state, "mail_cluster": cluster}
                    yield Series(
                        "ALERTS", {key: value for key, value in labels.items() if value}, dict.fromkeys(times, 1.0)
                    )


def _values(series: Iterable[Series], second: int) -> list[float]:
    return [value for one in series if (value := one.at(second)) is not None]


def queue(all_series: list[Series], second: int) -> int:
    """Return the queue's verdict: the recipients that wait, against half an hour before."""
    ours = [one for one in _named(all_series, "duckwatch_queue_messages") if one.labels["mail_cluster"] in CHOSEN]
    now, before = _values(ours, second), _values(ours, second - 1800)
    if not now:
        return 2
    if not before or sum(now) <= 100:
        return 0
    return 31 if sum(now) > 2 * sum(before) else 30 if sum(now) > 1.2 * sum(before) else 0


def blocklists(all_series: list[Series], second: int) -> int:
    """Return the blocklists' verdict: the worst listing."""
    listed = [one for one in _named(all_series, "duckwatch_dnsbl_listing_info") if one.at(second)]
    if listed:
        return 41 if any(one.labels["severity"] == "critical" for one in listed) else 40
    return 0 if _values(_named(all_series, "duckwatch_dnsbl_targets"), second) else 2


def ingest(all_series: list[Series], second: int) -> int:
    """Return the verdict on ingest: the larger of the oldest entry's age and the longest silence of a plugin."""
    ages = _values(_named(all_series, "duckwatch_journal_oldest_age_seconds"), second)
    hosts = _named(all_series, "duckwatch_plugin_last_seen_timestamp_seconds")
    seen = _values((one for one in hosts if one.labels["mail_cluster"] in CHOSEN), second)
    ages += [second - least for least in seen]
    if not ages:
        return 2
    return 51 if max(ages) > 300 else 50 if max(ages) > 60 else 0


def database(all_series: list[Series], second: int) -> int:
    """Return the database's verdict: failed writes of two minutes, and whether requests wait because of them."""
    if not _values(_named(all_series, "duckwatch_build_info"), second):
        return 2
    failed = False
    for one in _named(all_series, "duckwatch_store_errors_total"):
        if one.labels["kind"] != "bad_row":
            times = sorted(when for when in one.samples if second - RATE < when <= second)
            counts = [one.samples[when] for when in times]
            failed |= any(new > old or 0 < new < old for old, new in itertools.pairwise(counts))
    waits = max(_values(_named(all_series, "duckwatch_journal_oldest_age_seconds"), second), default=0) > 60
    return 60 + waits if failed else 0


def alerting(all_series: list[Series], second: int) -> int:
    """Return the alerts' verdict: the worst alert of ours that fires, of a chosen cluster or of none."""
    fires = [
        one.labels for one in _named(all_series, "ALERTS") if one.at(second) and one.labels["alertstate"] == "firing"
    ]
    ours = [
        labels["severity"]
        for labels in fires
        if labels["alertname"].startswith("Duckwatch") and labels.get("mail_cluster", "") in (*CHOSEN, "")
    ]
    if "critical" in ours:
        return 71
    return 70 if "warning" in ours else 0 if ours else 2


def _named(all_series: list[Series], name: str) -> list[Series]:
    return [one for one in all_series if one.name == name]


@pytest.fixture(scope="module")
def filled(
    tmp_path_factory: pytest.TempPathFactory, server_logs: Path
) -> Iterator[tuple[Prometheus, list[Series], int]]:
    """Yield a Prometheus with the made series, the series, and the time of their start."""
    folder = tmp_path_factory.mktemp("verdicts")
    tool, server = need(lambda: (promtool(), Prometheus(folder, server_logs, {})))
    start = int(time.time()) // 3600 * 3600 - LENGTH - 3600
    series = made(seed=17)
    lines = []
    for one in sorted(series, key=lambda one: one.name):
        labels = ",".join(f'{key}="{value}"' for key, value in one.labels.items())
        # The one metric whose value is a time: it is counted from the start of the series.
        shift = start if one.name.endswith("_timestamp_seconds") else 0
        lines += [f"{one.name}{{{labels}}} {value + shift} {start + when}" for when, value in one.samples.items()]
    text = folder / "series.txt"
    text.write_text("\n".join([*lines, "# EOF\n"]))
    words = ("tsdb", "create-blocks-from", "openmetrics", "--quiet", text, folder / "data")
    subprocess.run([tool, *words], check=True, capture_output=True)
    server.start()
    yield server, series, start
    server.stop()


@pytest.mark.parametrize(
    ("expr", "expected", "states"),
    [
        (_verdicts.QUEUE, queue, {0, 2, 30, 31}),
        (_verdicts.BLOCKLISTS, blocklists, {0, 2, 40, 41}),
        (_verdicts.INGEST, ingest, {0, 2, 50, 51}),
        (_verdicts.DATABASE, database, {0, 2, 60, 61}),
        (_verdicts.ALERTING, alerting, {0, 2, 70, 71}),
    ],
    ids=["queue", "blocklists", "ingest", "database", "alerts"],
)
def test_a_verdict_is_that_of_the_series(
    filled: tuple[Prometheus, list[Series], int],
    expr: str,
    expected: Callable[[list[Series], int], int],
    states: set[int],
) -> None:
    """At each minute the expression has one value, the one computed from the samples, and each state comes about."""
    server, series, start = filled
    # Not on a sample: versions of Prometheus differ in whether a range includes its first moment.
    seconds = range(607, LENGTH, 60)
    asked = expr.replace("$__rate_interval", f"{RATE}s").replace("$cluster", "|".join(CHOSEN))
    found = server.api(
        "query_range", query=asked, start=str(start + seconds[0]), end=str(start + seconds[-1]), step="60"
    )["result"]
    assert len(found) == 1
    values = {int(when) - start: int(float(value)) for when, value in found[0]["values"]}
    assert values == {second: expected(series, second) for second in seconds}
    assert set(values.values()) == states
