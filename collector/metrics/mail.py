"""What a commit adds to the metrics of mail: a counter of this process equals the rows that it committed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from collector.events.model import Action, Direction, Reason
from collector.metrics.labels import MAX_ADDRESSES, MAX_CLUSTERS, MAX_ZONES, NONE, BoundedLabel

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.events.batch import Written
    from collector.events.model import MailEvent
    from collector.metrics.catalogue import Metrics

_OUTCOMES = {
    Action.DELIVERED: "delivered",
    Action.DEFERRED: "deferred",
    Action.BOUNCED: "bounced",
}
_OUTCOME_OF_REASON = {Reason.REPUTATION: "blocklisted", Reason.RATE_LIMITED: "rate_limited"}


class MailMetrics:
    """A listener: counts what was new. Runs in the writer's thread."""

    def __init__(self, metrics: Metrics, *, now: Callable[[], float]) -> None:
        self._metrics, self._now = metrics, now
        self._cluster, self._zone = BoundedLabel(MAX_CLUSTERS), BoundedLabel(MAX_ZONES)
        self._address = BoundedLabel(MAX_ADDRESSES)
        self._newest: dict[tuple[str, str], int] = {}

    def __call__(self, written: Written) -> None:
        """Counts the new events, the duplicates and the letters of a commit."""
        events = written.new_events
        self._count_events(events)
        self._count_attempts(events)
        self._observe_times(events)
        if len(events) != len(written.batch.events):
            known = Counter(event.source for event in written.batch.events)
            known.subtract(Counter(event.source for event in events))
            for source, count in known.items():
                self._metrics.ingest_duplicates.labels(source).inc(count)
        for letter in written.batch.letters:
            self._metrics.dead_letters.labels(letter.reason).inc()

    def _count_events(self, events: list[MailEvent]) -> None:
        counts = Counter([(e.cluster, e.zone, e.provider, e.action) for e in events])
        for (cluster, zone, provider, action), count in counts.items():
            self._metrics.mail_events.labels(self._cluster(cluster), self._zone(zone), provider or NONE, action).inc(
                count
            )
        for e in events:
            if e.action is Action.QUEUED and e.direction is Direction.OUTBOUND and e.recipients:
                self._metrics.mail_recipients_queued.labels(self._cluster(e.cluster)).inc(e.recipients)

    def _count_attempts(self, events: list[MailEvent]) -> None:
        """Bounces, deferrals, the providers' signals and the sending addresses: outbound recipients only."""
        tallies: Counter[tuple[Any, ...]] = Counter()
        m = self._metrics
        for e in events:
            if e.direction is not Direction.OUTBOUND or e.action not in _OUTCOMES:
                continue
            where = self._cluster(e.cluster), self._zone(e.zone), e.provider or NONE
            if e.action is Action.BOUNCED:
                tallies[m.mail_bounces, (*where, e.reason or NONE, e.bounce_kind or NONE)] += 1
            elif e.action is Action.DEFERRED:
                tallies[m.mail_deferrals, (*where, e.reason or NONE)] += 1
            if e.provider_code is not None:
                tallies[m.mail_provider_signals, (e.provider or NONE, e.provider_code)] += 1
            if e.local_ip is not None:
                outcome = _OUTCOME_OF_REASON.get(e.reason) if e.reason is not None else None
                tallies[
                    m.sending_ip_events, (self._address(e.local_ip), e.provider or NONE, outcome or _OUTCOMES[e.action])
                ] += 1
        for (counter, labels), count in tallies.items():
            counter.labels(*labels).inc(count)

    def _observe_times(self, events: list[MailEvent]) -> None:
        m, now = self._metrics, self._now() * 1000
        for e in events:
            m.event_commit_delay.labels(e.source).observe(max(0.0, (now - e.time) / 1000))
            key = self._cluster(e.cluster), e.source
            if e.time > self._newest.get(key, 0):
                self._newest[key] = e.time
            if e.smtp_ms is not None:
                m.smtp_session_seconds.labels(key[0], e.provider or NONE).observe(e.smtp_ms / 1000)
            if e.action is Action.DELIVERED and e.direction is Direction.OUTBOUND and e.queue_ms is not None:
                where = key[0], self._zone(e.zone), e.provider or NONE
                m.mail_delivery_seconds.labels(*where).observe(e.queue_ms / 1000)
        for (cluster, source), newest in self._newest.items():
            m.last_event_timestamp.labels(cluster, source).set(newest / 1000)
