"""Adds a commit to the mail metrics. A counter of this process equals the number of rows that it committed."""

from __future__ import annotations

import threading
from itertools import product
from typing import TYPE_CHECKING

from collector.events.model.event import RejectReason
from collector.events.model.outcome import OutcomeClass, bounce_class, deferral_class
from collector.events.model.tally import ATTEMPTS, OUTCOMES, OUTCOMES_OF_ADDRESS
from collector.events.replies.provider_codes import SIGNALS
from collector.metrics.labels import MAX_ADDRESSES, MAX_CLUSTERS, MAX_ZONES, NONE, BoundedLabel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from prometheus_client import Counter

    from collector.events.model.batch import WriteResult
    from collector.events.model.event import Source
    from collector.events.model.tally import Tally
    from collector.metrics.catalogue import Metrics


class MailMetrics:
    """A listener of commits: counts new events. `now` is epoch seconds; `addresses` are the configured addresses that
    send mail.
    """

    def __init__(self, metrics: Metrics, *, now: Callable[[], float], addresses: Sequence[str] = ()) -> None:
        self._metrics, self._now = metrics, now
        self._cluster, self._zone = BoundedLabel(MAX_CLUSTERS), BoundedLabel(MAX_ZONES)
        self._address = BoundedLabel(MAX_ADDRESSES, addresses)
        self._lock = threading.Lock()
        self._newest: dict[tuple[str, str], int] = {}
        self._begun: set[tuple[Counter, tuple[str, ...]]] = set()
        # A counter whose first sample is 1 has no increase, and a provider may send a code only once.
        for address in addresses[:MAX_ADDRESSES]:
            for signal in SIGNALS:
                metrics.mail_provider_signals.labels(address, signal.provider, signal.code)
        for reason in RejectReason:
            metrics.dead_letters.labels(reason)

    def __call__(self, written: WriteResult) -> None:
        """Count the new events, the duplicates and the dead letters of a commit."""
        self._add(written.tally, written.corrections.counts, written.exemplar)
        for source, count in written.duplicates.items():
            self._metrics.ingest_duplicates.labels(source).inc(count)
        for letter in written.batch.letters:
            self._metrics.dead_letters.labels(letter.reason).inc()

    def reconciled(
        self,
        sums: Tally,
        corrections: Mapping[tuple[str, str, str], int],
        recovered: Mapping[tuple[str, Source, str], int],
    ) -> None:
        """Count the rows that reconciliation has stored."""
        self._add(sums, corrections, None)
        for (cluster, source, reason), count in recovered.items():
            self._metrics.backup_recovered.labels(self._cluster(cluster), source, reason).inc(count)

    def complained(self, counts: Mapping[tuple[str, str | None], int]) -> None:
        """Count complaints by cluster and provider, whose message is found or is looked for no longer."""
        with self._lock:
            for (cluster, provider), count in counts.items():
                self._metrics.mail_complaints.labels(self._cluster(cluster), provider or NONE).inc(count)

    def _add(
        self, sums: Tally, corrections: Mapping[tuple[str, str, str], int], exemplar: dict[str, str] | None
    ) -> None:
        with self._lock:  # the writer's thread and the jobs' thread call this
            self._count(sums)
            self._observe(sums, exemplar)
            for (cluster, before, after), count in corrections.items():
                self._metrics.mail_corrections.labels(self._cluster(cluster), before, after).inc(count)

    def _place(self, cluster: str | None, zone: str | None, provider: str | None) -> tuple[str, str, str]:
        return self._cluster(cluster), self._zone(zone), provider or NONE

    def _count(self, sums: Tally) -> None:
        m = self._metrics
        for (*place, action), count in sums.events.items():
            m.mail_events.labels(*self._place(*place), action).inc(count)
        for (cluster,), count in sums.queued.items():
            m.mail_recipients_queued.labels(self._cluster(cluster)).inc(count)
        self._count_outcomes(sums)
        for (local_ip, provider, code), count in sums.signals.items():
            m.mail_provider_signals.labels(self._address(local_ip), provider or NONE, code).inc(count)
        for (local_ip, provider, outcome), count in sums.addresses.items():
            pair = self._address(local_ip), provider or NONE
            self._begin(m.sending_ip_events, pair, OUTCOMES_OF_ADDRESS)
            m.sending_ip_events.labels(*pair, outcome).inc(count)

    def _count_outcomes(self, sums: Tally) -> None:
        m = self._metrics
        for (*place, attempt, outcome), count in sums.attempts.items():
            where = cluster, _, provider = self._place(*place)
            self._begin(m.mail_attempts, where, ATTEMPTS, OUTCOMES)
            self._begin(m.mail_outcomes, where, OutcomeClass)
            m.mail_attempts.labels(*where, attempt, outcome).inc(count)
            if outcome == "delivered":
                m.mail_outcomes.labels(*where, OutcomeClass.DELIVERED).inc(count)
                m.mail_complaints.labels(cluster, provider)  # at 0, so that the first complaint is an increase
        for (*place, reason, kind), count in sums.bounces.items():
            where = self._place(*place)
            m.mail_bounces.labels(*where, reason or NONE, kind or NONE).inc(count)
            m.mail_outcomes.labels(*where, bounce_class(reason, kind)).inc(count)
        for (*place, reason), count in sums.deferrals.items():
            where = self._place(*place)
            m.mail_deferrals.labels(*where, reason or NONE).inc(count)
            m.mail_outcomes.labels(*where, deferral_class(reason)).inc(count)

    def _begin(self, counter: Counter, where: tuple[str, ...], *rest: Iterable[str]) -> None:
        """Show every series of a place at 0 from its first event: a mean needs those in which nothing happened, too.

        `rest` are the values of each label that does not say where.
        """
        if (counter, where) not in self._begun:
            self._begun.add((counter, where))
            for labels in product(*rest):
                counter.labels(*where, *labels)

    def _observe(self, sums: Tally, exemplar: dict[str, str] | None) -> None:
        m, now = self._metrics, int(self._now() * 1000)
        for (cluster, source), stamps in sums.stamps.items():
            delays = [max(0, now - stamp) / 1000 for stamp in stamps]
            m.event_commit_delay.labels(source).observe_many(delays, exemplar)
            labels = self._cluster(cluster), source
            # Never later than now: an event time in the future would hide that no events come.
            self._newest[labels] = min(now, max(self._newest.get(labels, 0), *stamps, 0))
            m.last_event_timestamp.labels(*labels).set(self._newest[labels] / 1000)
        for (cluster, provider), sessions in sums.sessions.items():
            of_provider = m.smtp_session_seconds.labels(self._cluster(cluster), provider or NONE)
            of_provider.observe_many(_seconds(sessions), exemplar)
        for place, waits in sums.deliveries.items():
            m.mail_delivery_seconds.labels(*self._place(*place)).observe_many(_seconds(waits), exemplar)


def _seconds(milliseconds: list[int]) -> list[float]:
    return [value / 1000 for value in milliseconds]
