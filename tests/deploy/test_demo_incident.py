"""The incident of the profile `demo`: docs/compose.md says when it is, and each hour's fires its alert anew."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tests.alert_rules.cases import COLLECTOR
from tests.alert_rules.rules import ROOT, RULES, run, tool
from tests.servers.fixtures import need

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES: Final = [RULES / "thresholds.yml", *sorted((RULES / "recording").glob("*.yml")), RULES / "alerts/delivery.yml"]
PROVIDERS: Final = ("google", "microsoft", "yahoo", "apple", "other")
A_MINUTE: Final = 12
"""The demo sends a message a second, to five providers alike."""

HOURS: Final = 2
OUTCOMES: Final = 'duckwatch_mail_outcomes_total{{mail_cluster="eu1",zone="all",provider="{}",class="{}"}}'
FIRING: Final = 'count(ALERTS{alertname="DuckwatchProviderRefuses",alertstate="firing",provider="microsoft"})'


def incident() -> tuple[int, int]:
    """Return the first minute of the incident in each hour, and the minute after its last, as demo.js has them."""
    found = re.search(r"from: (\d+), until: (\d+)", (ROOT / "deploy/compose/demo/demo.js").read_text(encoding="utf-8"))
    assert found is not None
    return int(found[1]), int(found[2])


def counter(name: str, goes_on: Callable[[int], bool]) -> dict[str, str]:
    """Return a counter that grows in each minute of the hour in which something goes on."""
    values, total = [], 0
    for minute in range(HOURS * 60):
        total += A_MINUTE if goes_on(minute % 60) else 0
        values.append(str(total))
    return {"series": name, "values": " ".join(values)}


def test_the_page_tells_its_minutes() -> None:
    """A person who waits for the alert knows when."""
    first, end = incident()
    assert f"from minute {first} to minute {end}," in (ROOT / "docs/compose.md").read_text(encoding="utf-8")


@pytest.mark.servers
def test_the_alert_fires_in_each_hour_and_is_resolved_between(tmp_path: Path) -> None:
    """In the second hour it has ended before the means reach it again, and fires before the incident is over."""
    first, end = incident()

    def is_on(minute: int) -> bool:
        return first <= minute < end

    series = [counter(OUTCOMES.format(one, "delivered"), lambda _: True) for one in PROVIDERS if one != "microsoft"]
    series.append(counter(OUTCOMES.format("microsoft", "delivered"), lambda minute: not is_on(minute)))
    series.append(counter(OUTCOMES.format("microsoft", "block"), is_on))
    test: dict[str, Any] = {
        "interval": "1m",
        "input_series": [*series, COLLECTOR],
        "promql_expr_test": [
            {"expr": FIRING, "eval_time": f"{60 + first + 15}m", "exp_samples": []},
            {
                "expr": f"{FIRING} > bool 0",
                "eval_time": f"{60 + end - 1}m",
                "exp_samples": [{"labels": "{}", "value": 1}],
            },
        ],
    }
    order = [group["name"] for file in FILES for group in yaml.safe_load(file.read_text())["groups"]]
    case = {"rule_files": [*map(str, FILES)], "group_eval_order": order, "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "demo.test.yml").write_text(json.dumps(case), encoding="utf-8")
    done = run(need(lambda: tool("promtool")), "test", "rules", tmp_path / "demo.test.yml")
    assert done.returncode == 0, done.stdout + done.stderr
