"""Each inhibition of alert-rules/alertmanager.yml, in a real Alertmanager."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml

from tests.alert_rules.alertmanager import written
from tests.alert_rules.rules import TESTS
from tests.servers.alertmanager import Alertmanager
from tests.servers.fixtures import need
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Labels = dict[str, str]

COLLECTOR_DOWN = {"alertname": "DuckwatchCollectorDown", "severity": "critical", "component": "pipeline"}
EXPORTER_DOWN = {"alertname": "DuckwatchDnsblExporterDown", "severity": "warning", "component": "reputation"}
ENFORCED = {"alertname": "DuckwatchDnsblListedAndEnforced", "severity": "critical", "component": "reputation"}
LISTED = {"alertname": "DuckwatchDnsblListed", "severity": "critical", "component": "reputation"}
MINOR = {"alertname": "DuckwatchDnsblListedMinor", "severity": "warning", "component": "reputation"}
STALE = {"alertname": "DuckwatchDnsblChecksStale", "severity": "warning", "component": "reputation"}
BOUNCES = {"alertname": "DuckwatchHardBounceRatioHigh", "component": "delivery"}
REFUSES = {"alertname": "DuckwatchProviderRefuses", "severity": "critical", "component": "delivery"}
AWAY = {"alertname": "DuckwatchDatabaseAway", "severity": "critical", "component": "pipeline"}
FILLING = {"alertname": "DuckwatchJournalFilling", "severity": "critical", "component": "pipeline"}
NO_EVENTS = {
    "alertname": "DuckwatchNoEvents",
    "severity": "critical",
    "component": "pipeline",
    "mail_cluster": "eu",
}

HERE = {"instance": "127.0.0.1:9626"}
THERE = {"instance": "127.0.0.2:9626"}


SERVER = "cluster region"
"""The external labels that tell one house's Prometheus servers apart."""

LABELS = (
    "job instance mail_cluster zone provider local_ip host target list code reason kind source state result task "
    "collection feed queue relation route type service status resolver resource signal protocol policy outcome name"
)
"""The labels that an alert of ours may have, besides those that all alerts have."""

EQUAL = [
    f"alertname {SERVER} {LABELS}",
    f"{SERVER} mail_cluster provider",
    f"{SERVER} target list",
    f"{SERVER} target list",
    f"{SERVER} instance list",
    f"{SERVER} instance",
    SERVER,
    f"{SERVER} instance",
    SERVER,
    f"{SERVER} instance",
    SERVER,
    f"{SERVER} mail_cluster",
    f"{SERVER} instance",
]
"""For each rule of `inhibit_rules` the labels that must be the same on both sides."""


class Pair(NamedTuple):
    """Alerts of one rule of `inhibit_rules`, by its place there. `always` are labels of `equal` that both must have."""

    rule: int
    source: Labels
    target: Labels
    always: frozenset[str] = frozenset()


MUTED = {
    "a critical step, the warning": Pair(
        0, BOUNCES | {"severity": "critical"}, BOUNCES | {"severity": "warning"}, frozenset({"alertname"})
    ),
    "a critical step, the info": Pair(
        0, BOUNCES | {"severity": "critical"}, BOUNCES | {"severity": "info"}, frozenset({"alertname"})
    ),
    "a provider, its new wording": Pair(1, REFUSES, {"alertname": "DuckwatchNewPattern", "severity": "warning"}),
    "an enforced listing, the listing": Pair(2, ENFORCED, LISTED),
    "an enforced listing, a minor one": Pair(2, ENFORCED, MINOR),
    "a critical listing, a minor one": Pair(3, LISTED, MINOR),
    "an unhealthy list, its checks": Pair(4, {"alertname": "DuckwatchDnsblListUnhealthy"}, STALE),
    "a list that refuses, its checks": Pair(4, {"alertname": "DuckwatchDnsblListRefused"}, STALE),
    "a collector that is down, its pipeline": Pair(5, COLLECTOR_DOWN, FILLING, frozenset({"instance"})),
    "a collector that is down, its database": Pair(
        5, COLLECTOR_DOWN, FILLING | {"component": "database"}, frozenset({"instance"})
    ),
    "a collector that is down, a cluster without events": Pair(6, COLLECTOR_DOWN | HERE, NO_EVENTS),
    "a database that is away, errors": Pair(7, AWAY, {"alertname": "DuckwatchStoreErrors", "severity": "warning"}),
    "a database that is away, a growing journal": Pair(7, AWAY, FILLING | {"severity": "warning"}),
    "a database that is away, a cluster without events": Pair(8, AWAY | HERE, NO_EVENTS),
    "a database that is away, a late job": Pair(8, AWAY | HERE, {"alertname": "DuckwatchTaskLate", "task": "sizes"}),
    "a database that is away, a job that fails": Pair(8, AWAY | HERE, {"alertname": "DuckwatchTaskFails"}),
    "a database that is away, a change stream": Pair(8, AWAY | HERE, {"alertname": "DuckwatchChangeStreamFails"}),
    "a database that is away, late roll-ups": Pair(8, AWAY | HERE, {"alertname": "DuckwatchRollUpsLate"}),
    "an exporter that is down, its lists": Pair(
        9, EXPORTER_DOWN, STALE | {"severity": "critical"}, frozenset({"instance"})
    ),
    "an exporter that is down, a minor listing": Pair(10, EXPORTER_DOWN | HERE, MINOR | {"target": "192.0.2.1"}),
    "a cluster without events, its plugin": Pair(
        11, NO_EVENTS, {"alertname": "DuckwatchPluginSilent", "host": "mta1", "mail_cluster": "eu"}
    ),
    "a full journal, that it grows": Pair(12, {"alertname": "DuckwatchJournalFull", "severity": "critical"}, FILLING),
}
"""For each rule alerts that it mutes, with the labels that it matches."""

HEARD = {
    "another program's warning": (
        {"alertname": "Other", "severity": "critical"},
        {"alertname": "Other", "severity": "warning"},
    ),
    "a warning mutes no critical alert": (BOUNCES | {"severity": "warning"}, BOUNCES | {"severity": "critical"}),
    "one silent plugin mutes no cluster without events": (
        {"alertname": "DuckwatchPluginSilent", "severity": "warning", "mail_cluster": "eu"},
        NO_EVENTS,
    ),
    "two providers": (
        BOUNCES | {"severity": "critical", "provider": "gmail"},
        BOUNCES | {"severity": "warning", "provider": "yahoo"},
    ),
    "a minor listing mutes no critical one": (MINOR, LISTED),
    "a listing mutes no enforced one": (LISTED, ENFORCED),
    "a critical code, while a provider refuses": (
        REFUSES | {"provider": "yahoo"},
        {"alertname": "DuckwatchProviderCode", "severity": "critical", "provider": "yahoo"},
    ),
    "an address, while a provider refuses a mail cluster": (
        REFUSES | {"provider": "yahoo", "mail_cluster": "eu"},
        {"alertname": "DuckwatchAddressRefused", "severity": "warning", "provider": "yahoo"},
    ),
    "a provider that refuses a little": (
        REFUSES | {"provider": "yahoo", "severity": "warning"},
        {"alertname": "DuckwatchNewPattern", "severity": "warning", "provider": "yahoo"},
    ),
    "a journal that is full soon": (AWAY | HERE, FILLING | HERE),
    "mail, while one of two collectors is down": (
        COLLECTOR_DOWN | HERE,
        BOUNCES | {"severity": "warning", "mail_cluster": "eu"},
    ),
    "another collector": (
        COLLECTOR_DOWN | HERE,
        THERE | AWAY,
    ),
    "another collector's change stream": (
        COLLECTOR_DOWN | HERE,
        THERE | {"alertname": "DuckwatchChangeStreamLags", "component": "pipeline", "mail_cluster": "eu"},
    ),
    "another exporter": (EXPORTER_DOWN | HERE, STALE | THERE),
    "the watchdog": (
        COLLECTOR_DOWN,
        {"alertname": "DuckwatchWatchdog", "component": "pipeline", "severity": "none"},
    ),
    "thresholds": (
        COLLECTOR_DOWN,
        {"alertname": "DuckwatchThresholdsMissing", "component": "pipeline", "severity": "critical", "name": "x"},
    ),
    "the collector itself": (COLLECTOR_DOWN | HERE, COLLECTOR_DOWN | THERE),
    "an exporter's critical listing": (EXPORTER_DOWN | HERE, LISTED | {"target": "192.0.2.1", "list": "bl.example"}),
    "a provider's refusals": (
        EXPORTER_DOWN | HERE,
        REFUSES | {"severity": "warning"},
    ),
    "the MTA": (
        COLLECTOR_DOWN | HERE,
        HERE | {"alertname": "DuckwatchZoneMtaDown", "component": "mta", "severity": "critical"},
    ),
}
"""Source and target of pairs where nothing is muted."""


@pytest.fixture(scope="module")
def alertmanager(server_logs: Path) -> Iterator[Alertmanager]:
    """A real Alertmanager with our inhibitions, which sends nothing."""
    settings = {
        "route": {"receiver": "nobody"},
        "receivers": [{"name": "nobody"}],
        "inhibit_rules": written()["inhibit_rules"],
    }
    server = need(lambda: Alertmanager(server_logs, settings))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def alert(labels: Labels) -> dict[str, Any]:
    """Return a firing alert in the form of Alertmanager's API."""
    now = datetime.now(UTC)
    return {
        "labels": labels,
        "startsAt": (now - timedelta(minutes=1)).isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
    }


def muted(server: Alertmanager, pairs: dict[str, tuple[Labels, Labels]]) -> set[str]:
    """Return which pairs' targets are inhibited. The pairs must not meet each other.

    Alertmanager looks at sources in the order in which they came, so the last one tells when it has seen all.
    """
    last = {"alertname": "DuckwatchDnsblListed", "severity": "critical", "region": f"last of {len(server.alerts())}"}
    after = last | {"severity": "warning"}
    for labels in ([source for source, _ in pairs.values()], [target for _, target in pairs.values()], [last, after]):
        server.send([alert(one) for one in labels])

    def inhibited() -> list[Labels]:
        return [one["labels"] for one in server.alerts() if one["status"]["inhibitedBy"]]

    wait_until(lambda: after in inhibited(), "Alertmanager has seen every source")
    found = inhibited()
    return {name for name, (_, target) in pairs.items() if target in found}


def variants(pair: Pair, equal: list[str], name: str) -> Iterator[tuple[str, tuple[Labels, Labels], bool]]:
    """Yield for each label the pairs with it on both sides, differing, on one and on none, and whether it is muted.

    Each variant has a cluster of its own, so that it meets no other; for the label `cluster` it is a region.
    """
    for label in equal:
        place = "region" if label == "cluster" else "cluster"
        both = {one: "same" for one in pair.always if one not in pair.source}
        source = {one: value for one, value in (pair.source | both).items() if one != label}
        target = {one: value for one, value in (pair.target | both).items() if one != label}
        one = {label: pair.source.get(label, "one")}
        for what, left, right, is_muted in [
            ("on both", one, one, True),
            ("differs", one, {label: "DuckwatchOther"}, False),
            ("on the source", one, {}, False),
            ("on the target", {}, one, False),
            ("on none", {}, {}, label not in pair.always),
        ]:
            apart = {place: f"{name}: {label} {what}"}
            yield f"{label} {what}", (source | left | apart, target | right | apart), is_muted


@pytest.mark.servers
@pytest.mark.parametrize("name", MUTED)
def test_each_label_counts_on_both_sides(alertmanager: Alertmanager, name: str) -> None:
    """A target is muted exactly where each label of `equal` is the same on both sides, or on none."""
    pair = MUTED[name]
    equal = EQUAL[pair.rule].split()
    cases = {what: (alerts, is_muted) for what, alerts, is_muted in variants(pair, equal, name)}
    found = muted(alertmanager, {what: alerts for what, (alerts, _) in cases.items()})
    assert found == {what for what, (_, is_muted) in cases.items() if is_muted}
    assert len(cases) == 5 * len(equal)


@pytest.mark.servers
def test_nothing_else_is_muted(alertmanager: Alertmanager) -> None:
    """Look-alikes of the inhibitions are sent."""
    pairs = {name: (source | {"cluster": name}, target | {"cluster": name}) for name, (source, target) in HEARD.items()}
    assert muted(alertmanager, pairs) == set()


@pytest.mark.servers
def test_external_labels_and_other_jobs_break_no_inhibition(alertmanager: Alertmanager) -> None:
    """A house's labels, which all its alerts have, and its job names change nothing. Nor does it matter which of two
    replicas sent the alert.
    """
    outside = {"region": "west", "prometheus": "monitoring/main", "job": "mail/collectors"}
    pairs = {}
    for name, pair in MUTED.items():
        both = {one: "same" for one in pair.always if one not in pair.source} | outside | {"cluster": f"house {name}"}
        pairs[name] = (pair.source | both | {"replica": "a"}, pair.target | both | {"replica": "b"})
    assert muted(alertmanager, pairs) == set(pairs)


def test_every_inhibition_has_a_case() -> None:
    """Each rule of `inhibit_rules` has a pair here, and each label that it compares is in EQUAL."""
    rules = written()["inhibit_rules"]
    assert {pair.rule for pair in MUTED.values()} == set(range(len(rules)))
    assert [set(rule["equal"]) for rule in rules] == [set(labels.split()) for labels in EQUAL]


def test_steps_are_compared_by_every_label_that_an_alert_has() -> None:
    """The critical step of one zone must not mute the warning of another, whichever label tells them apart.

    The labels are those of promtool's cases, which name all labels of an alert.
    """
    apart = set(written()["inhibit_rules"][0]["equal"])
    for path in sorted(TESTS.glob("*.test.yml")):
        for test in yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)["tests"]:
            for case in test.get("alert_rule_test", []):
                for expected in case["exp_alerts"]:
                    assert set(expected["exp_labels"]) - apart <= {"severity", "team", "component", "replica"}, case[
                        "alertname"
                    ]
