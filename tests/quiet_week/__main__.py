"""`python -m tests.quiet_week --days 7 --seed 1 [--incidents]`: the made-up house before the rules, and what fires.

Exit code 0 if no critical alert fires and at most one warning; with incidents, if each one's alert fires once, and no
other critical alert. Else 1.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from tests.alert_rules.cases import kept_rules
from tests.alert_rules.rules import RULE_FILES, alerts, run, tool
from tests.quiet_week.blocklists import DAY
from tests.quiet_week.house import CLUSTERS, House
from tests.quiet_week.incidents import EXPLAINED, NAMED, incidents, troubled
from tests.quiet_week.series import written

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random

    from tests.quiet_week.fates import Incident
    from tests.quiet_week.incidents import Trouble
    from tests.quiet_week.series import Samples

FIRING = 'ALERTS{alertstate="firing", severity!="none"}'
BEGAN = f"count_over_time(({FIRING} unless {FIRING} offset 1m)[{{span}}:1m])"
"""How often each alert began to fire."""

TROUBLED: Final = CLUSTERS[:2]
"""The clusters of the incidents. The others would only live as in the quiet week."""

HISTORY: Final = 9
"""Days before those that are judged, for the alerts that look a week back."""

WEEK_BACK: Final = re.compile(r"offset [789]d\b")
COUNTER: Final = re.compile(r"\w+_(total|bucket|count){")

MANY_DAYS: Final = {"GOGC": "off", "GOMEMLIMIT": "3GiB"}
"""For promtool: collect garbage only when there is much."""

PATIENCE: Final = 6 * 3_600
"""Seconds. A week takes some minutes of processor time, which a busy machine may not give at once."""


@dataclass(frozen=True, slots=True)
class FiringAlert:
    """An alert that fires: its labels, and how often it began to."""

    labels: dict[str, str]
    times: int

    @property
    def name(self) -> tuple[str, str]:
        return self.labels["alertname"], self.labels["severity"]

    def __str__(self) -> str:
        return f"{self.times} x {', '.join(f'{label}={value}' for label, value in sorted(self.labels.items()))}"


def fired(
    random: Random,
    days: int,
    folder: Path,
    refused: Sequence[Incident] = (),
    troubles: Sequence[Trouble] = (),
    clusters: Sequence[str] = CLUSTERS,
) -> list[FiringAlert]:
    """Return each alert that fires in these days."""
    rules = rules_read_by(alert_names())
    house = House(random, days, refused, clusters, metrics_read_by(rules))
    return _fired(rules, troubled(house.series(), troubles, days * DAY), days, days, folder)


def fired_after_history(random: Random, days: int, folder: Path, alerts: Sequence[str]) -> list[FiringAlert]:
    """Return which of some alerts fire in these days, after days of history.

    The history is of gauges: counters are read over hours.
    """
    rules, past = rules_read_by(alerts), HISTORY * DAY
    house = House(random, HISTORY + days, metrics=metrics_read_by(rules))
    series = (
        (name, [*[None] * past, *samples[past:]] if COUNTER.match(name) else samples)
        for name, samples in house.series()
    )
    return _fired(rules, series, HISTORY + days, days, folder)


def alert_names() -> list[str]:
    return sorted({rule.name for rule in alerts()})


def look_a_week_back(names: Iterable[str]) -> list[str]:
    """Return those of the alerts that read a series of a week ago."""
    return [name for name in names if WEEK_BACK.search(str(rules_read_by([name])))]


def rules_read_by(names: Iterable[str]) -> list[dict[str, Any]]:
    """Return the groups of rules with these alerts and what they read: nothing else costs time."""
    groups = [group for path in RULE_FILES for group in yaml.load(path.read_text(), yaml.CSafeLoader)["groups"]]
    return list(kept_rules(groups, {"alert_rule_test": [{"alertname": name} for name in names]}))


def metrics_read_by(groups: Iterable[dict[str, Any]]) -> set[str]:
    return set(re.findall(r"\w+", " ".join(rule["expr"] for group in groups for rule in group["rules"])))


def _fired(
    groups: Sequence[dict[str, Any]], series: Iterable[tuple[str, Samples]], days: int, last: int, folder: Path
) -> list[FiringAlert]:
    """Return each alert of these groups of rules that fires in the last of the days."""
    rules = folder / "week.rules"
    rules.write_text(yaml.dump({"groups": groups}, Dumper=yaml.CSafeDumper, sort_keys=False))
    case: dict[str, Any] = {
        "rule_files": [rules.name],
        "evaluation_interval": "1m",
        "group_eval_order": [group["name"] for group in groups],
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": written(samples)} for name, samples in series],
                "promql_expr_test": [
                    {
                        "expr": BEGAN.replace("{span}", f"{last}d"),
                        "eval_time": f"{days * DAY - 1}m",
                        "exp_samples": [],
                    }
                ],
            }
        ],
    }
    path = folder / "week.test.yml"
    path.write_text(yaml.dump(case, Dumper=yaml.CSafeDumper, sort_keys=False, width=1 << 30))
    done = run(tool("promtool"), "test", "rules", path, patience=PATIENCE, environment=MANY_DAYS)
    said = done.stdout + done.stderr
    if done.returncode == 0:
        return []
    found = re.findall(r"(\{[^{}]*alertname=[^{}]*\}) ([\d.E+]+)", said)
    assert found, said[-2_000:]
    return [FiringAlert(dict(re.findall(r'(\w+)="([^"]*)"', labels)), round(float(times))) for labels, times in found]


def wrong(found: Sequence[FiringAlert], named: Sequence[tuple[str, str]]) -> list[str]:
    """Return what is wrong: each named alert has to fire once, and no other critical one.

    Without names one warning may fire.
    """
    counts = Counter(one.name for one in found for _ in range(one.times))
    faults = [f"{' '.join(name)} fired {counts[name]} times, not once" for name in named if counts[name] != 1]
    others = [one for one in found if one.name not in named]
    faults += [f"not an incident: {one}" for one in others if one.name[1] == "critical"]
    warnings = [one for one in others if one.name[1] != "critical"]
    if named:
        strange = [one for one in warnings if not EXPLAINED.get(one.name[0], set()) & {*one.labels.values()}]
        return faults + [f"not explained: {one}" for one in strange]
    return faults + [f"not an incident: {one}" for one in warnings[1:]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.quiet_week", description=__doc__)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 16))
    parser.add_argument(
        "--incidents", action="store_true", help="ten incidents on one of the days, in the two clusters that have them"
    )
    parser.add_argument("--alerts", default="", help="only the alerts with names like this (regular expression)")
    arguments = parser.parse_args()
    days, seed = arguments.days, arguments.seed
    print(f"{days} days, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.incidents:
            refused, troubles = incidents(TROUBLED, days // 2)
            found = fired(random.Random(seed), days, folder, refused, troubles, TROUBLED)
        elif arguments.alerts:
            about = [alert for alert in alert_names() if re.fullmatch(arguments.alerts, alert)]
            found = fired_after_history(random.Random(seed), days, folder, about)
        else:
            found = fired(random.Random(seed), days, folder)
            print(*found, sep="\n", flush=True)
            found += fired_after_history(random.Random(seed), days, folder, look_a_week_back(alert_names()))
    print(*found, sep="\n")
    faults = wrong(found, NAMED if arguments.incidents else [])
    print(*faults, sep="\n", file=sys.stderr)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
