"""What a commit adds to the metrics of mail: a counter of this process equals the rows that it committed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from collector.events.model import Action, Direction, Reason
from collector.metrics.labels import MAX_ADDRESSES, MAX_CLUSTERS, MAX_ZONES, NONE, BoundedLabel

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import Counter as Counter_
    from prometheus_client import Histogram

    from collector.events.batch import Written
    from collector.events.model import MailEvent
    from collector.metrics.catalogue import Metrics

_OUTCOMES = {
    Action.DELIVERED: "delivered",
    Action.DEFERRED: "deferred",
    Action.BOUNCED: "bounced",
}
_OUTCOME_OF_REASON: dict[Reason | None, str] = {Reason.REPUTATION: "blocklisted", Reason.RATE_LIMITED: "rate_limited"}


class _Children(dict[tuple[str, ...], "Histogram"]):
    """A histogram's children by their labels: `labels()` itself locks and copies each time."""

    def __init__(self, metric: Histogram) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, labels: tuple[str, ...]) -> Histogram:
        child = self[labels] = self._metric.labels(*labels)
        return child


class MailMetrics:
    """A listener: counts what was new. Runs in the writer's thread, so an event's share of it is microseconds."""

    def __init__(self, metrics: Metrics, *, now: Callable[[], float]) -> None:
        self._metrics, self._now = metrics, now
        self._cluster, self._zone = BoundedLabel(MAX_CLUSTERS), BoundedLabel(MAX_ZONES)
        self._address = BoundedLabel(MAX_ADDRESSES)
        self._newest: dict[tuple[str, str], int] = {}
        self._delay = _Children(metrics.event_commit_delay)
        self._session = _Children(metrics.smtp_session_seconds)
        self._delivery = _Children(metrics.mail_delivery_seconds)

    def __call__(self, written: Written) -> None:
        """Counts the new events, the duplicates and the letters of a commit."""
        events = written.new_events
        self._count_events(events)
        self._count_attempts([e for e in events if e.direction is Direction.OUTBOUND and e.action in _OUTCOMES])
        self._observe_delays(events)
        self._observe_times([e for e in events if e.smtp_ms is not None or e.action is Action.DELIVERED])
        if len(events) != len(written.batch.events):
            known = Counter([event.source for event in written.batch.events])
            known.subtract([event.source for event in events])
            for source, count in known.items():
                self._metrics.ingest_duplicates.labels(source).inc(count)
        for letter in written.batch.letters:
            self._metrics.dead_letters.labels(letter.reason).inc()

    def _count_events(self, events: list[MailEvent]) -> None:
        counts = Counter([(e.cluster, e.zone, e.provider, e.action) for e in events])
        for (cluster, zone, provider, action), count in counts.items():
            labels = self._cluster(cluster), self._zone(zone), provider or NONE, action
            self._metrics.mail_events.labels(*labels).inc(count)
        for e in events:
            if e.action is Action.QUEUED and e.direction is Direction.OUTBOUND and e.recipients:
                self._metrics.mail_recipients_queued.labels(self._cluster(e.cluster)).inc(e.recipients)

    def _count_attempts(self, attempts: list[MailEvent]) -> None:
        """Bounces, deferrals, the providers' signals and the sending addresses."""
        m = self._metrics
        tallies: Counter[tuple[Counter_, tuple[str, ...]]] = Counter()
        for e in attempts:
            provider = e.provider or NONE
            where = self._cluster(e.cluster), self._zone(e.zone), provider
            if e.action is Action.BOUNCED:
                tallies[m.mail_bounces, (*where, e.reason or NONE, e.bounce_kind or NONE)] += 1
            elif e.action is Action.DEFERRED:
                tallies[m.mail_deferrals, (*where, e.reason or NONE)] += 1
            if e.provider_code is not None:
                tallies[m.mail_provider_signals, (provider, e.provider_code)] += 1
            if e.local_ip is not None:
                outcome = _OUTCOME_OF_REASON.get(e.reason, _OUTCOMES[e.action])
                tallies[m.sending_ip_events, (self._address(e.local_ip), provider, outcome)] += 1
        for (counter, labels), count in tallies.items():
            counter.labels(*labels).inc(count)

    def _observe_delays(self, events: list[MailEvent]) -> None:
        now = int(self._now() * 1000)
        for e in events:
            self._delay[e.source,].observe(max(0, now - e.time) / 1000)
        newest: dict[tuple[str, str], int] = {}
        for e in events:
            key = e.cluster, e.source
            if e.time > newest.get(key, 0):
                newest[key] = e.time
        for (cluster, source), stamp in newest.items():
            labels = self._cluster(cluster), source
            self._newest[labels] = max(stamp, self._newest.get(labels, 0))
            self._metrics.last_event_timestamp.labels(*labels).set(self._newest[labels] / 1000)

    def _observe_times(self, attempts: list[MailEvent]) -> None:
        for e in attempts:
            cluster, provider = self._cluster(e.cluster), e.provider or NONE
            if e.smtp_ms is not None:
                self._session[cluster, provider].observe(e.smtp_ms / 1000)
            if e.action is Action.DELIVERED and e.direction is Direction.OUTBOUND and e.queue_ms is not None:
                self._delivery[cluster, self._zone(e.zone), provider].observe(e.queue_ms / 1000)
