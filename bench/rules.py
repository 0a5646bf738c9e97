"""Milliseconds that a real Prometheus takes for all rules of the pack, over the series of a large installation.

One core, one rule after the other. The last hour is in Prometheus' head and older history in blocks, as far back as the
rules read. The series that a global Prometheus would take are counted as well.
"""

from __future__ import annotations

import re
import subprocess
import time
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import yaml

from bench.head import HEAD, push
from bench.large import Installation
from duckwatch.base.config.units import parse_duration
from duckwatch.demo.errors import DemoError
from tests.alert_rules.rules import RULE_FILES, RULES
from tests.servers.missing import MissingServerError
from tests.servers.process import wait_until
from tests.servers.prometheus import Prometheus, promtool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.large import Series

SKIPPED = "skipped: run make servers"
CLUSTERS: Final = (1, 5)
"""Mail clusters over which the zones are spread: the fewest, and those of the quiet week."""

LIMIT_MS, MOST_FEDERATED = 200, 20_000
INTERVAL: Final = 5
"""Seconds between two evaluations here; 30 in the pack."""

SECONDS: Final = 120
"""Seconds for the history to be written."""

LATE: Final = 150
"""Seconds after the end of the history at which ranges of five minutes still have samples enough."""

ROUNDS, SHOWN = 8, 10
LOOP: Final = 1_000_000


def measure(folder: Path, seconds: int = SECONDS) -> Any:  # noqa: ANN401 - figures, or why there are none
    """Return the figures for each number of mail clusters, or why the part is skipped.

    `seconds` is the time that a history may take to be written. Raise DemoError if it takes longer: it has to end when
    Prometheus starts.
    """
    try:
        promtool()
    except MissingServerError:
        return SKIPPED
    return {number: _measured(folder / str(number), Installation(number), seconds) for number in CLUSTERS}


def _measured(folder: Path, installation: Installation, seconds: int) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    server = Prometheus(folder, folder, {}, [_in_a_row(folder)])
    server.configure("runtime", _example().get("runtime", {}))
    end = round(time.time()) + seconds
    made = _filled(folder, installation, end)
    if time.time() > end + LATE / 3:
        raise DemoError(f"the history of the rules' part took longer than {seconds} s: the machine is too busy")
    time.sleep(max(0.0, end - time.time()))
    server.start({"GOMAXPROCS": "1"})
    try:
        return {"series": made, **_evaluated(server), "federated_series": _federated(server), "limit_ms": LIMIT_MS}
    finally:
        server.stop()


def _in_a_row(folder: Path) -> Path:
    """Write all rules as one group, which is evaluated every few seconds. Return the file's path.

    Two groups at the same time share the core, and each would count the other's time. At their own intervals they
    seldom meet.
    """
    rules = [rule for group in _groups() for rule in group["rules"]]
    path = folder / "rules.yml"
    path.write_text(
        yaml.safe_dump({"groups": [{"name": "all", "interval": f"{INTERVAL}s", "rules": rules}]}, sort_keys=False)
    )
    return path


def _example() -> dict[str, Any]:
    """Return the example of Prometheus' configuration."""
    found: dict[str, Any] = yaml.safe_load((RULES / "prometheus.yml").read_text())
    return found


def _groups() -> list[dict[str, Any]]:
    """Return the groups of all rule files: what is recorded comes before the alerts."""
    return [group for path in RULE_FILES for group in yaml.safe_load(path.read_text())["groups"]]


def _filled(folder: Path, installation: Installation, end: int) -> int:
    """Give Prometheus the series: their last hour in its head, what is older in blocks. Return how many there are."""
    series = list(installation.series(end))
    _blocks(folder, series, end)
    server = Prometheus(folder, folder, {})
    server.start(flags=["--web.enable-remote-write-receiver"])
    try:
        push(server.url, series, end)
    finally:
        server.stop()
    return len(series)


def _blocks(folder: Path, every: Sequence[Series], end: int) -> None:
    """Write what is older than the head as blocks, where Prometheus looks for them."""
    text = folder / "series.txt"
    with text.open("w") as lines:
        for series in every:
            lines.writelines(series.samples(end, HEAD))
        lines.write("# EOF\n")
    words = ("tsdb", "create-blocks-from", "--max-block-duration=216h", "openmetrics", text, folder / "data")
    done = subprocess.run([promtool(), *words], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode:
        raise DemoError(f"promtool made no blocks: {done.stderr[-500:]}")
    text.unlink()


def _evaluated(server: Prometheus) -> dict[str, Any]:
    """Return the milliseconds of all rules, by the clock and by the processor's time, and the slowest rules."""
    wait_until(lambda: _rounds(server) >= 2, "every rule is evaluated twice", seconds=120)
    seen: list[dict[str, Any]] = []
    before = _spent(server)
    loops = []
    for _ in range(ROUNDS):
        time.sleep(INTERVAL)
        loops.append(_loop_ms())
        seen += server.api("rules")["groups"]
    rounds, cpu, samples = (now - then for now, then in zip(_spent(server), before, strict=True))
    walls = [group["evaluationTime"] * 1000 for group in seen]
    rules = [
        (rule, [one["rules"][number]["evaluationTime"] for one in seen])
        for number, rule in enumerate(seen[-1]["rules"])
    ]
    if wrong := [rule["name"] for rule, _ in rules if rule["health"] != "ok"]:
        raise DemoError(f"rules that Prometheus could not evaluate: {', '.join(wrong)}")
    usual = [(rule["name"], median(times) * 1000) for rule, times in rules]
    ms = cpu / rounds * 1000
    often = sum(time * times for (_, time), times in zip(usual, _times_a_minute(), strict=True))
    return {
        "rules": len(rules),
        "ms": {"best": round(min(walls), 1), "median": round(median(walls), 1), "cpu": round(ms, 1)},
        "loop_ms": round(median(loops), 1),
        "cpu_ms_a_minute": round(ms * often / sum(time for _, time in usual), 1),
        "samples": round(samples / rounds),
        "firing": sum(len(rule["alerts"]) for rule, _ in rules if rule["type"] == "alerting"),
        "slowest_ms": {name: round(time, 1) for name, time in sorted(usual, key=lambda one: -one[1])[:SHOWN]},
    }


def _loop_ms() -> float:
    """Return the milliseconds of a loop of Python: the speed of the core, which differs by half on a shared machine."""
    began = time.perf_counter()
    sum(number * number for number in range(LOOP))
    return (time.perf_counter() - began) * 1000


def _times_a_minute() -> list[float]:
    """Return how often each rule is evaluated in a minute, by the intervals in the files."""
    usual = _example()["global"]["evaluation_interval"]
    return [
        60 / parse_duration(group.get("interval", usual)).total_seconds() for group in _groups() for _ in group["rules"]
    ]


def _spent(server: Prometheus) -> tuple[float, float, float]:
    """Return how often all groups have been evaluated, the processor's seconds, and the samples that were read."""
    cpu, samples = (
        _metric(server, name) for name in ("process_cpu_seconds_total", "prometheus_engine_query_samples_total")
    )
    return _rounds(server), cpu, samples


def _rounds(server: Prometheus) -> float:
    """Return how often all groups have been evaluated."""
    missed = _metric(server, "prometheus_rule_group_iterations_missed_total")
    return (_metric(server, "prometheus_rule_group_iterations_total") - missed) / len(server.api("rules")["groups"])


def _metric(server: Prometheus, name: str) -> float:
    """Return the sum of Prometheus' own series of that name."""
    return sum(float(value) for value in re.findall(rf"(?m)^{name}(?:\{{.*\}})? (\S+)$", server.page()))


def _federated(server: Prometheus) -> dict[str, Any]:
    """Return how many series the example of federation takes, and of which names there are most."""
    job = yaml.safe_load((RULES / "federation.yml").read_text())["scrape_configs"][0]
    found = [line for match in job["params"]["match[]"] for line in server.federated(match)]
    names = {name: len(list(lines)) for name, lines in groupby(sorted(found), lambda line: line.partition("{")[0])}
    most = sorted(names.items(), key=lambda pair: -pair[1])[:SHOWN]
    return {"count": len(found), "limit": MOST_FEDERATED, "most": dict(most)}
