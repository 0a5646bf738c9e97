"""How many series a collector can have: computed from the catalogue and the bounds of labels, and told in the docs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from collector.events.model.batch import Batch, WriteResult
from collector.events.model.event import Action, BounceKind, Provider, Reason
from collector.events.model.outcome import OutcomeClass
from collector.events.replies.provider_codes import SIGNALS
from collector.metrics import Metrics
from collector.metrics.catalogue import CATALOGUE
from collector.metrics.labels import MAX_ADDRESSES, MAX_CLUSTERS, MAX_ZONES, BoundedLabel
from collector.metrics.mail import MailMetrics
from tests.unit.test_metrics import event

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCS = Path(__file__).parents[2] / "docs/metrics.md"

UNNAMED = 2
"""`other` and `none`, beside the names."""

BUCKETS = {"mail_delivery_seconds": 12, "smtp_session_seconds": 11}
"""Buckets of the histograms of mail; each has `+Inf`, `_sum` and `_count` too."""


class Size(NamedTuple):
    """An installation: clusters, zones of each, providers of each zone, and sending addresses."""

    clusters: int
    zones: int
    providers: int
    addresses: int


LARGEST = Size(MAX_CLUSTERS + UNNAMED, MAX_ZONES + UNNAMED, len(Provider) + 1, MAX_ADDRESSES + UNNAMED)
TYPICAL = Size(clusters=1, zones=20, providers=12, addresses=32)


def mail_series(size: Size) -> Mapping[str, int]:
    """Return the most series of each metric of mail."""
    place = size.clusters * size.zones * size.providers
    pair = size.clusters * size.providers
    failures = len(Reason) + 1
    return {
        "mail_events_total": place * len(Action),
        "mail_corrections_total": size.clusters * len(Action) ** 2,
        "mail_recipients_queued_total": size.clusters,
        "mail_bounces_total": place * failures * (len(BounceKind) + 1),
        "mail_deferrals_total": place * failures,
        "mail_attempts_total": place * 3 * 3,
        "mail_outcomes_total": place * len(OutcomeClass),
        "mail_provider_signals_total": size.addresses * len(SIGNALS),
        "mail_new_patterns": pair,
        "mail_complaints_total": pair,
        "mail_delivery_seconds": place * (BUCKETS["mail_delivery_seconds"] + 3),
        "smtp_session_seconds": pair * (BUCKETS["smtp_session_seconds"] + 3),
        "sending_ip_events_total": size.addresses * size.providers * 5,
    }


def test_every_metric_of_mail_is_computed() -> None:
    """The computation knows each metric of the catalogue whose labels grow with the installation's mail."""
    grown = {
        name.removeprefix("duckwatch_")
        for name, labels in CATALOGUE.items()
        if {"zone", "provider", "local_ip", "action", "from"} & set(labels)
    }
    missing = grown - set(mail_series(LARGEST)) - {"queue_messages", "queue_oldest_age_seconds"}
    assert missing == set(), "mail_series above needs a line for it, and docs/metrics.md a row"


def test_the_docs_have_the_worst_case() -> None:
    """docs/metrics.md tells the series of both sizes, by metric and in all."""
    found = {
        name: (int(typical.replace(",", "")), int(largest.replace(",", "")))
        for name, typical, largest in re.findall(
            r"^\| `?(?:duckwatch_)?(\w+)`? \| ([\d,]+) \| ([\d,]+) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    typical, largest = mail_series(TYPICAL), mail_series(LARGEST)
    expected = {name: (typical[name], largest[name]) for name in typical}
    expected["together"] = sum(typical.values()), sum(largest.values())
    first = {name: name if name == "together" else f"`duckwatch_{name}`" for name in expected}
    rows = "\n".join(f"| {first[name]} | {few:,} | {many:,} |" for name, (few, many) in expected.items())
    assert found == expected, f"the rows of docs/metrics.md, 'How many series':\n{rows}"


@pytest.mark.parametrize("addresses", [1, 5])
def test_the_computation_is_what_a_page_shows(addresses: int) -> None:
    """A page on which all that can occur has occurred has exactly so many series: a small installation's."""
    zones, providers = ["a", "b"], [Provider.GOOGLE, Provider.YAHOO]
    own = [f"192.0.2.{number}" for number in range(addresses)]
    metrics = Metrics()
    mail = MailMetrics(metrics, now=lambda: 0.0, addresses=own)
    places: list[dict[str, Any]] = [{"zone": zone, "provider": provider} for zone in zones for provider in providers]
    events = [event(action=action, recipients=1, **place) for place in places for action in Action]
    for place in places:
        for reason in (*Reason, None):
            events.append(event(action=Action.DEFERRED, reason=reason, **place))
            events += [
                event(action=Action.BOUNCED, reason=reason, bounce_kind=kind, **place) for kind in (*BounceKind, None)
            ]
        for action in (Action.DELIVERED, Action.DEFERRED, Action.BOUNCED):
            events += [event(action=action, attempt=number, **place) for number in (None, 1, 2)]
        for address in own:
            sent = place | {"local_ip": address}
            events.append(event(queue_ms=1, smtp_ms=1, **sent))
            events += [
                event(action=Action.DEFERRED, reason=reason, **sent)
                for reason in (Reason.OTHER, Reason.REPUTATION, Reason.RATE_LIMITED)
            ]
            events.append(event(action=Action.BOUNCED, **sent))
    mail(WriteResult(Batch(), events))
    shown: dict[str, int] = {}
    for metric in metrics.registry.collect():
        name = metric.name.removeprefix("duckwatch_") + ("_total" if metric.type == "counter" else "")
        shown[name] = len([sample for sample in metric.samples if not sample.name.endswith("_created")])
    computed = mail_series(Size(clusters=1, zones=2, providers=2, addresses=addresses))
    beside = {"mail_corrections_total", "mail_new_patterns"}
    assert {name: shown[name] for name in computed if name not in beside} == {
        name: count for name, count in computed.items() if name not in beside
    }


def test_the_bounds_of_labels_are_those_of_the_computation() -> None:
    """A bounded label has so many values and two more, whatever senders send."""
    label = BoundedLabel(MAX_ZONES)
    assert len({label(name) for name in [None, *(f"z{number}" for number in range(500))]}) == LARGEST.zones
