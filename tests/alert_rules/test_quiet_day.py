"""A day of a house with two mail clusters before the unshortened rules (`make quiet-week`: five clusters, a week)."""

from __future__ import annotations

import random
import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.alert_rules.rules import alerts
from tests.quiet_week.__main__ import alert_names, fired, look_a_week_back, rules_read_by, wrong
from tests.quiet_week.house import CLUSTERS, House
from tests.quiet_week.incidents import NAMED, incidents
from tests.quiet_week.series import Life, written

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.servers
@pytest.mark.timeout(1_800)
@pytest.mark.usefixtures("promtool")
def test_each_incident_fires_its_alert_and_nothing_else_does(tmp_path: Path) -> None:
    """A night, busy hours, failed scrapes, tiny zones and lists that do not answer fire nothing; each of ten incidents
    fires its alert once, and no other critical alert.
    """
    refused, troubles = incidents(CLUSTERS[:2])
    assert wrong(fired(random.Random(2), 1, tmp_path, refused, troubles, CLUSTERS[:2]), NAMED) == []


def test_alerts_that_look_a_week_back_are_judged_after_a_history() -> None:
    """In the first week of a house they are silent, so the quiet week alone would say nothing about them."""
    assert look_a_week_back(alert_names()) == [
        "DuckwatchDatabaseFilling",
        "DuckwatchNewPattern",
        "DuckwatchQueueWillNotDrain",
    ]


def test_the_rules_of_the_week_are_all_alerts_and_what_they_read() -> None:
    """No alert is left out, and what no alert reads is not evaluated."""
    rules = [rule for group in rules_read_by(alert_names()) for rule in group["rules"]]
    assert [rule["alert"] for rule in rules if "alert" in rule] == [rule.name for rule in alerts()]
    recorded = [rule["record"] for rule in rules if "record" in rule]
    assert "mail_cluster_zone:duckwatch_mail_delivery_seconds:p95_rate30m" in recorded
    assert "mail_cluster_provider:duckwatch_mail_delivery_seconds:p95_rate30m" not in recorded


def test_a_house_has_weekends_and_gets_a_providers_code_once_a_day() -> None:
    """Two codes within an hour would be an incident, and the alert about it would be right."""
    house = House(random.Random(1), 14, clusters=["eu1"], metrics={"duckwatch_mail_provider_signals_total"})
    for _, samples in house.series():
        seen = [(minute, sample) for minute, sample in enumerate(samples) if sample is not None]
        steps = [minute for (_, before), (minute, after) in pairwise(seen) if after - before == 1]
        assert len(steps) > 10
        assert min(after - before for before, after in pairwise(steps)) > 60
    made = House(random.Random(1), 7, clusters=["eu1"], metrics={"duckwatch_mail_recipients_queued_total"})
    [(_, queued)] = made.series()
    friday, saturday = ((queued[(day + 1) * 1440 - 1] or 0) - (queued[day * 1440] or 0) for day in (4, 5))
    assert 0 < saturday < friday / 2


def test_series_are_written_as_promtool_reads_them() -> None:
    """Equal steps are one term, a failed scrape is `_`, and a counter begins at 0 when its program starts anew."""
    life = Life(8, starts=frozenset({5}), unseen=frozenset({3}))
    assert life.counter(lambda _: 2) == [2, 4, 6, None, 10, 0, 2, 4]
    assert written(life.counter(lambda _: 2)) == "2+2x2 _ 10-10x1 2+2x1"
    assert written([0.0, 0.0, None, None, 1.5]) == "0+0x1 _x2 1.5"


def test_a_counter_that_stands_still_is_never_reset_by_rounding() -> None:
    """The last sample of a term, added up as promtool does, is the first of the next."""
    counter = Life(40).counter(lambda minute: 0.1 if minute < 20 else 0.0)
    read: list[float] = []
    for term in written(counter).split():
        value, step, times = map(float, re.fullmatch(r"([\d.]+)\+([\d.]+)x(\d+)", term).groups())  # type: ignore[union-attr]
        for _ in range(int(times) + 1):
            read.append(value)
            value += step
    assert read == counter == sorted(read)
