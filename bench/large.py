"""The series of a large installation, which the rules of the pack read: each as far back as the longest range on it.

One or more mail clusters have 20 zones, each zone mail for 12 providers, and together every provider of the closed set.
32 sending addresses have every code of the closed table, and each is listed by each of 40 lists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Final

import yaml

from collector.events.model.event import Provider, Reason
from collector.events.model.outcome import OutcomeClass
from collector.events.replies.provider_codes import SIGNALS
from duckwatch.base.config.units import parse_duration
from duckwatch.rules.limits import LIMIT
from exporters.dnsbl.checking.list_health import STATES
from tests.alert_rules.rules import RULE_FILES, all_rules
from tests.contract.promql import CATALOGUE, METRIC, OF_PROMETHEUS, RECORDED, labels_kept, series_of
from tests.quiet_week.house import WITHIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ZONES, PROVIDERS, ADDRESSES, LISTS = 20, 12, 32, 40
SCRAPED = 15
"""Seconds between two samples of a metric, as in alert-rules/prometheus.yml."""

LEAST: Final = 900
"""Seconds of history of a series at the least: a short range is read again at the next evaluations."""

TARGET: Final = {"job": "duckwatch", "instance": "127.0.0.1:9626"}
FEW: Final = {
    "job": (TARGET["job"],),
    "instance": (TARGET["instance"],),
    "attempt": ("first", "later", "unknown"),
    "outcome": ("delivered", "deferred", "bounced"),
    "reason": tuple(Reason),
    "class": tuple(OutcomeClass),
    "le": tuple(WITHIN),
    "state": ("queued", "deferred"),
    "protocol": ("imap", "pop3", "smtp"),
    "result": ("success", "failed"),
    "source": ("plugin", "mongodb", "gelf"),
    "task": ("roll_up", "queue_state", "retention", "housekeeping", "reconcile", "sizes"),
    "relation": ("mail_events", "mail_stats_15s", "mail_stats_5m"),
    "host": ("mta1", "mta2", "mta3"),
    "list": tuple(f"list{number}.example" for number in range(LISTS)),
    "target": tuple(f"192.0.2.{number}" for number in range(ADDRESSES)),
    "local_ip": tuple(f"192.0.2.{number}" for number in range(ADDRESSES)),
    "severity": ("info",),
}
"""The values of labels; any other label has one value."""

OF_METRIC: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "duckwatch_sending_ip_events_total": {
        "outcome": ("delivered", "deferred", "bounced", "blocklisted", "rate_limited"),
    },
    "duckwatch_live_pushes_total": {"result": ("pushed", "dropped", "timeout")},
    "duckwatch_dnsbl_list_state": {"state": STATES},
}
"""The values of labels that mean something else in another metric."""

USUAL: Final = {
    "outcome": ("delivered",), "class": ("delivered",), "result": ("success", "pushed"), "state": ("healthy", "queued"),
}  # fmt: skip
"""What happens in an hour in which nothing is wrong: only the series with these values grow, or are 1."""

WRONG: Final = re.compile(
    "_late|bounce|deferr|refus|complaint|fail|error|burn|silence|_block|dropped|shortage|left_out|broken|suspects"
    "|journal_bytes|_connections$|oldest|lag_seconds|provider_signals:increase"
)
"""Series that are 0, or counters that stand still, while nothing is wrong. Other gauges are 1, and times are now."""

CAME: Final = frozenset(
    (address, signal.code) for address, signal in tuple(product(FEW["local_ip"], SIGNALS))[:: len(SIGNALS) // 7]
)
"""The providers' codes that have come, about seven to each address. The others are 0, as they were at the start."""

Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class Series:
    """A series: its value at the end, how much it grows a second, and the times before the end at which it is read."""

    name: str
    labels: Labels
    value: float
    growth: float
    step: int
    read: frozenset[tuple[int, int]]

    @property
    def backs(self) -> list[int]:
        """The seconds before the end at which it has a sample, the oldest first."""
        steps = {back // self.step for since, until in self.read for back in range(since, until + 1, self.step)}
        return sorted((step * self.step for step in steps), reverse=True)

    def at(self, back: int) -> float:
        """Return the value that many seconds before the end."""
        return self.value - self.growth * back

    def samples(self, end: int, until: int) -> Iterator[str]:
        """Yield a line of OpenMetrics text for each sample older than `until` seconds before `end`, a Unix time."""
        labels = ",".join(f'{label}="{value}"' for label, value in self.labels.items())
        for back in self.backs:
            if back > until:
                yield f"{self.name}{{{labels}}} {self.at(back)} {end - back}\n"


class Installation:
    """The metrics and recorded series that the rules read. Limits and thresholds are left to Prometheus.

    Its zones are spread over so many mail clusters.
    """

    def __init__(self, clusters: int) -> None:
        self._clusters = clusters

    @cached_property
    def _expressions(self) -> str:
        return "\n".join(rule.expr for rule in all_rules())

    def series(self, end: int) -> Iterator[Series]:
        """Yield each series but those that Prometheus makes of alerts. The value of a time is `end`."""
        for name in sorted({*METRIC.findall(self._expressions), "up"} - OF_PROMETHEUS.keys()):
            labels = () if name == "up" else CATALOGUE[series_of(name)]
            if name.endswith("_bucket"):
                labels = (*labels, "le")
            read = self._read(name)
            for chosen in self._labels(name, labels):
                yield self._metric(name, {**chosen, **TARGET}, read, end)
        intervals = _intervals()
        for name in sorted(set(RECORDED.findall(self._expressions))):
            if not LIMIT.fullmatch(name) and ":duckwatch_threshold:" not in name:
                read = self._read(name)
                for chosen in self._labels(name, labels_kept(name)):
                    value = float(_is_usual(chosen) and not WRONG.search(name))
                    yield Series(name, chosen, value, 0.0, intervals[name], read)

    def _metric(self, name: str, labels: Labels, read: frozenset[tuple[int, int]], end: int) -> Series:
        is_usual = _is_usual(labels)
        grows = is_usual and not {"reason", "kind", "code"} & labels.keys() and not WRONG.search(name)
        if {"local_ip", "code"} <= labels.keys() and (labels["local_ip"], labels["code"]) not in CAME:
            return Series(name, labels, 0.0, 0.0, SCRAPED, read)
        if name.endswith(("_total", "_bucket", "_count")):
            return Series(name, labels, 1e6 if grows else 1.0, 0.5 if grows else 0.0, SCRAPED, read)
        if name.endswith("_timestamp_seconds"):
            return Series(name, labels, end, 1.0, SCRAPED, read)
        value = 1e9 if name.endswith(("_limit", "_limit_bytes", "_capacity_bytes", "_interval_seconds")) else is_usual
        return Series(name, labels, 0.0 if WRONG.search(name) else float(value), 0.0, SCRAPED, read)

    def _read(self, name: str) -> frozenset[tuple[int, int]]:
        """Return the seconds before the end, from and to, between which a rule reads the series."""
        found = re.findall(
            rf"(?<![\w:]){name}(?![\w:])(?:\{{[^}}]*\}})?\s*(?:\[(\w+)\])?(?:\s*offset\s+(\w+))?", self._expressions
        )
        reads = [tuple(round(parse_duration(part).total_seconds()) if part else 0 for part in parts) for parts in found]
        return frozenset((offset, offset + max(span, LEAST)) for span, offset in reads) | {(0, LEAST)}

    def _labels(self, name: str, labels: Sequence[str]) -> Iterator[Labels]:
        """Yield the label values of each series of a name."""
        if {"local_ip", "code"} <= {*labels}:
            target = TARGET if "job" in labels else {}
            for address, signal in product(FEW["local_ip"], SIGNALS):
                if ":" not in name or (address, signal.code) in CAME:
                    yield {**target, "local_ip": address, "provider": signal.provider, "code": signal.code}
            return
        places = [place for place in self._places(labels) if place]
        few = FEW | OF_METRIC.get(name, {})
        rest = [label for label in labels if not places or label not in places[0]]
        for place in places or [{}]:
            for values in product(*(few.get(label, ("any",)) for label in rest)):
                yield {**place, **dict(zip(rest, values, strict=True))}

    def _places(self, labels: Sequence[str]) -> list[Labels]:
        """Return the values that go together of `mail_cluster`, `zone` and `provider`, or `local_ip` and `provider`."""
        if {"local_ip", "provider"} <= {*labels}:
            whole = [{"local_ip": f"192.0.2.{number}", "provider": one} for number, one in _mail_for(ADDRESSES)]
        elif "local_ip" in labels:
            return []
        else:
            whole = [
                {"mail_cluster": f"mail{zone % self._clusters}", "zone": f"zone{zone}", "provider": one}
                for zone, one in _mail_for(ZONES)
            ]
        chosen = [tuple((label, value) for label, value in place.items() if label in labels) for place in whole]
        return [dict(place) for place in dict.fromkeys(chosen)]


def _is_usual(labels: Labels) -> bool:
    return all(label not in labels or labels[label] in values for label, values in USUAL.items())


def _intervals() -> dict[str, int]:
    """Return the seconds between two samples of each recorded series: the interval of its group."""
    groups = [group for path in RULE_FILES for group in yaml.safe_load(path.read_text())["groups"]]
    return {
        rule["record"]: round(parse_duration(group["interval"]).total_seconds())
        for group in groups
        for rule in group["rules"]
        if "record" in rule and "interval" in group
    }


def _mail_for(places: int) -> Iterator[tuple[int, Provider]]:
    """Yield each place with each of its providers: together the places have every provider."""
    for place, number in product(range(places), range(PROVIDERS)):
        yield place, tuple(Provider)[(place * PROVIDERS + number) % len(Provider)]
