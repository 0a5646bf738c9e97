"""Rule files adapted to a house: what differs, and that nothing else does."""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duckwatch.base.config.units import format_duration, parse_duration
from duckwatch.rules.adapt import SCRAPES, Adaptation, adapted, worded
from duckwatch.rules.pack import other_files, rule_files
from duckwatch.rules.placeholders import GRAFANA, RUNBOOK

if TYPE_CHECKING:
    from collections.abc import Iterator

SHIPPED = rule_files()
TIMES = re.compile(r"(?:\[|:(?=\d+[a-z]+\])|\boffset )(\d+[a-z]+)")

each_file = pytest.mark.parametrize("path", SHIPPED)


def rules_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [rule for group in document["groups"] for rule in group["rules"]]


def differences(old: Any, new: Any, at: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the path of each leaf that differs, and both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        assert old.keys() <= new.keys()
        for key in new:
            yield from differences(old.get(key), new[key], f"{at}/{key}")
    elif isinstance(old, list) and isinstance(new, list):
        assert len(old) == len(new)
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, f"{at}/{number}")
    elif old != new:
        yield at, old, new


@each_file
def test_without_options_nothing_differs(path: str) -> None:
    """The defaults of an adaptation return each file as it was, and leave the original alone."""
    before = deepcopy(SHIPPED[path])
    assert adapted(SHIPPED[path], Adaptation()) == before == SHIPPED[path]


@each_file
def test_a_trial_only_has_shorter_times(path: str) -> None:
    """`faster` divides `for`, `keep_firing_for`, ranges and offsets, never below four scrapes, and the interval of a
    group, never below one; nothing else differs.
    """
    scrape = timedelta(seconds=15)
    for at, old, new in differences(SHIPPED[path], adapted(SHIPPED[path], Adaptation(faster=20))):
        if at.endswith("/expr"):
            assert TIMES.sub("", old) == TIMES.sub("", new)
            pairs = list(zip(TIMES.findall(old), TIMES.findall(new), strict=True))
        else:
            assert at.endswith(("/for", "/keep_firing_for", "/interval"))
            pairs = [(old, new)]
        for before, after in pairs:
            whole = parse_duration(before)
            least = scrape * (1 if at.endswith("/interval") else SCRAPES)
            assert parse_duration(after) == max(whole // 20, min(whole, least))


@given(
    st.integers(1, 10**6).map(lambda seconds: timedelta(seconds=seconds)),
    st.integers(1, 1000),
    st.integers(1, 120).map(lambda seconds: timedelta(seconds=seconds)),
)
def test_a_time_is_never_longer_and_never_below_four_scrapes(whole: timedelta, faster: int, scrape: timedelta) -> None:
    """Whatever the factor, a time grows never, and falls below four scrapes only if it was below them."""
    rule = {"record": "a:duckwatch_b:c", "expr": f"rate(x[{format_duration(whole)}])"}
    document = {"groups": [{"name": "g", "rules": [rule]}]}
    expr = rules_of(adapted(document, Adaptation(faster=faster, scrape_interval=scrape)))[0]["expr"]
    after = parse_duration(TIMES.findall(expr)[0])
    assert after <= whole
    assert after >= min(whole, scrape * SCRAPES)


def test_links_lead_to_the_house() -> None:
    """The runbook's and Grafana's addresses are replaced in each annotation, and no placeholder is left."""
    house = Adaptation(runbook_url="https://wiki.example.com/mail", grafana_url="https://grafana.example.com")
    for document in SHIPPED.values():
        for rule in rules_of(adapted(document, house)):
            texts = rule.get("annotations", {})
            assert not any(GRAFANA in text or RUNBOOK in text for text in texts.values())
            if texts:
                assert texts["runbook_url"] == f"https://wiki.example.com/mail#{rule['alert'].lower()}"
                assert texts["dashboard_url"].startswith("https://grafana.example.com/d/duckwatch-")


def test_severities_have_the_words_of_the_house() -> None:
    """The words are replaced in the alerts' labels and in Alertmanager's matchers; a metric's label keeps its own."""
    house = Adaptation(severities={"critical": "page", "warning": "ticket"})
    words = {
        rule["labels"]["severity"]
        for document in SHIPPED.values()
        for rule in rules_of(adapted(document, house))
        if "alert" in rule
    }
    assert words <= {"page", "ticket", "info", "none"}
    listed = next(
        rule for rule in rules_of(SHIPPED["alerts/reputation.yml"]) if rule["alert"] == "DuckwatchDnsblListed"
    )
    after = adapted({"groups": [{"name": "g", "rules": [listed]}]}, house)
    assert 'severity="critical"' in rules_of(after)[0]["expr"]
    assert worded('severity =~ "warning|info"', house) == 'severity =~ "ticket|info"'


@pytest.mark.parametrize("path", other_files())
def test_other_files_have_the_words_of_the_house(path: str) -> None:
    """No matcher of Alertmanager's example, no command of the runbook and no comparison of a template has our words."""
    text = other_files()[path]
    after = worded(text, Adaptation(severities={"critical": "page", "warning": "ticket"}))
    ours = re.compile(r"\bseverity(?:\s*=~?\s*\"?|\s+\")[\w|]*(?:critical|warning)")
    assert not ours.search(after)
    assert (after != text) is bool(ours.search(text))
    assert worded(text, Adaptation()) == text


def test_each_alert_gets_the_labels_of_the_house() -> None:
    """A label of the house is on each alert and on no recorded series; one that an alert has already is refused."""
    for document in SHIPPED.values():
        for before, rule in zip(
            rules_of(document),
            rules_of(adapted(document, Adaptation(labels={"environment": "production"}))),
            strict=True,
        ):
            expected = {**before.get("labels", {}), **({"environment": "production"} if "alert" in rule else {})}
            assert rule.get("labels", {}) == expected
    with pytest.raises(ValueError, match="the label team is one of duckwatch's alerts"):
        adapted(SHIPPED["alerts/queue.yml"], Adaptation(labels={"team": "ops"}))


@pytest.mark.parametrize("name", ["alertname", "instance", "job", "mail_cluster", "zone"])
def test_a_label_that_tells_alerts_apart_is_refused(name: str) -> None:
    """Alerts of two clusters with the same `mail_cluster` are one to Prometheus, which then fires none of them."""
    with pytest.raises(ValueError, match=f"the label {name} is one of duckwatch's alerts"):
        adapted(SHIPPED["alerts/queue.yml"], Adaptation(labels={name: "eu1"}))


def test_job_matchers_choose_the_programs_metrics() -> None:
    """The matchers of a program are added to its metrics only; recorded series stay as they are."""
    rule = {
        "record": "all:duckwatch_b:c",
        "expr": 'duckwatch_store_up + duckwatch_dnsbl_targets{a="b"} + all:duckwatch_x:sum',
    }
    house = Adaptation(jobs={"collector": 'job="mail"'})
    assert rules_of(adapted({"groups": [{"name": "g", "rules": [rule]}]}, house))[0]["expr"] == (
        'duckwatch_store_up{job="mail"} + duckwatch_dnsbl_targets{a="b"} + all:duckwatch_x:sum'
    )
