"""The made-up house: five mail clusters with twenty zones, their mail by the hour, and what programs show of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tests.quiet_week.blocklists import DAY, exporter
from tests.quiet_week.fates import USUAL
from tests.quiet_week.series import Life

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence
    from random import Random

    from tests.quiet_week.fates import Fates, Incident
    from tests.quiet_week.series import Samples

HOUR: Final = 60
CLUSTERS: Final = ("eu1", "eu2", "us1", "us2", "ap1")
PROVIDERS: Final = {"google": 0.5, "microsoft": 0.3, "yahoo": 0.12, "other": 0.08}
ZONES: Final = {"default": 6_000.0, "transactional": 1_200.0, "newsletter": 300.0, "tiny": 4.0}
"""Recipients an hour in the busiest hour of a day."""

WEEK: Final = 7
"""Days. Day 0 is a Monday."""

WEEKEND: Final = {5: 0.35, 6: 0.25}
"""The days on which people and shops send less, and their share of a weekday's mail."""

NEWSLETTERS: Final = {2: 60.0, 4: 80.0}
"""The days on which a newsletter goes out at ten, and how many times as much mail its zone then has for two hours."""

WITHIN: Final = {
    "1.0": 0.45, "5.0": 0.78, "15.0": 0.88, "30.0": 0.92, "60.0": 0.94, "300.0": 0.97, "900.0": 0.985, "3600.0": 0.994,
    "14400.0": 0.999, "43200.0": 1.0, "86400.0": 1.0, "172800.0": 1.0, "+Inf": 1.0,
}  # fmt: skip
"""The share of recipients that are delivered within so many seconds."""


class House:
    """The series of a house for some days. The same random source gives the same house.

    `metrics` names the metrics that are made; without it all are.
    """

    def __init__(
        self,
        random: Random,
        days: int,
        incidents: Sequence[Incident] = (),
        clusters: Sequence[str] = CLUSTERS,
        metrics: Container[str] | None = None,
    ) -> None:
        self._random, self._minutes, self._metrics = random, days * DAY, metrics
        self._incidents, self._clusters = incidents, clusters
        self._noise = {
            (cluster, zone): [random.uniform(0.7, 1.3) for _ in range(days * 24 + 1)]
            for cluster in clusters
            for zone in ZONES
        }
        self._lives = {cluster: self._life(days) for cluster in clusters}
        self._hourly = {
            (cluster, zone): [self._recipients(cluster, zone, minute) for minute in range(days * DAY)]
            for cluster in clusters
            for zone in ZONES
        }
        """For each zone and minute the recipients an hour."""
        self._arriving: dict[str, list[float]] = {
            cluster: [sum(zones) / HOUR for zones in zip(*(self._hourly[cluster, zone] for zone in ZONES), strict=True)]
            for cluster in clusters
        }
        """For each minute the recipients a minute of all zones of a cluster."""

    def series(self) -> Iterator[tuple[str, Samples]]:
        """Yield each series with its samples."""
        yield from (one for one in self._all() if self._is_made(one[0]))

    def _is_made(self, series: str) -> bool:
        return self._metrics is None or series.partition("{")[0] in self._metrics

    def _all(self) -> Iterator[tuple[str, Samples]]:
        for cluster in self._clusters:
            yield from self._programs(cluster)
            yield from self._jobs_and_people(cluster)
            for zone in ZONES:
                yield from self._queue(cluster, zone)
                for provider, share in PROVIDERS.items():
                    yield from self._mail(cluster, zone, provider, share)
            yield from self._addresses(cluster)
        yield from exporter(self._random, self._minutes)

    def _life(self, days: int) -> Life:
        """Return the life of a cluster's collector: an upgrade each Wednesday night, and some failed scrapes."""
        starts = set(range(2 * DAY + 3 * HOUR + 7, days * DAY, WEEK * DAY))
        down = {minute + late for minute in starts for late in range(-2, 1)}
        failed = {self._random.randrange(days * DAY) for _ in range(days * 3)}
        return Life(days * DAY, frozenset(starts), frozenset(down | failed))

    def _recipients(self, cluster: str, zone: str, minute: int) -> float:
        """Return the recipients an hour that a zone has at that minute."""
        day, hour = minute // DAY % WEEK, minute % DAY // 15 / 4
        curve = 0.08 + 0.92 * max(0.0, math.sin((hour - 6) / 16 * math.pi)) if 6 <= hour <= 22 else 0.08
        usual = ZONES[zone] * WEEKEND.get(day, 1.0) * curve * self._noise[cluster, zone][minute // HOUR]
        is_out = zone == "newsletter" and day in NEWSLETTERS and 10 <= hour < 12
        return usual * NEWSLETTERS[day] if is_out else usual

    def _mail(self, cluster: str, zone: str, provider: str, share: float) -> Iterator[tuple[str, Samples]]:
        life = self._lives[cluster]
        where = f'mail_cluster="{cluster}", zone="{zone}", provider="{provider}"'
        labels = f'{where}, job="mail/collector", instance="{cluster}:9626"'

        hourly, incidents = self._hourly[cluster, zone], self._incidents_of(cluster, provider)

        def part(name: str, of_hundred: Callable[[Fates], float]) -> Iterator[tuple[str, Samples]]:
            usual = of_hundred(USUAL)

            def per_minute(minute: int) -> float:
                here = usual
                for one in incidents:
                    if one.begins <= minute < one.ends:
                        here = of_hundred(one.fates)
                return hourly[minute] / HOUR * share * here / 100

            if self._is_made(name):
                yield name, life.counter(per_minute)

        for attempt, outcome, attempts in (
            ("first", "delivered", lambda fates: 100 - fates.deferred - fates.hard - fates.blocked),
            ("first", "deferred", lambda fates: fates.deferred),
            ("first", "bounced", lambda fates: fates.hard + fates.blocked),
            ("later", "delivered", lambda fates: fates.later),
            ("later", "deferred", lambda fates: fates.deferred / 2),
            ("later", "bounced", lambda fates: fates.expired),
        ):
            yield from part(
                f'duckwatch_mail_attempts_total{{{labels}, attempt="{attempt}", outcome="{outcome}"}}', attempts
            )
        for outcome_class, recipients in (
            ("delivered", lambda fates: fates.delivered),
            ("deferred", lambda fates: 1.5 * fates.deferred),
            ("hard", lambda fates: fates.hard),
            ("block", lambda fates: fates.blocked),
            ("expired", lambda fates: fates.expired),
            *((rest, lambda _: 0.0) for rest in ("deferred_block", "other", "soft")),
        ):
            yield from part(f'duckwatch_mail_outcomes_total{{{labels}, class="{outcome_class}"}}', recipients)
        for bound, within in WITHIN.items():
            yield from part(
                f'duckwatch_mail_delivery_seconds_bucket{{{labels}, le="{bound}"}}',
                lambda fates, within=within: fates.delivered * within,  # type: ignore[misc]
            )
        yield from part(f"duckwatch_mail_delivery_seconds_count{{{labels}}}", lambda fates: fates.delivered)

    def _incidents_of(self, cluster: str, provider: str) -> list[Incident]:
        return [one for one in self._incidents if (one.cluster, one.provider) == (cluster, provider)]

    def _addresses(self, cluster: str) -> Iterator[tuple[str, Samples]]:
        """Yield the attempts of the two sending addresses of a cluster, and a provider's code.

        Each address gets the code once a day, and never twice within an hour. A second time is no chance: KumoMTA's
        rules stop the address then, and DuckwatchProviderCode is about it.
        """
        life, arriving = self._lives[cluster], self._arriving[cluster]
        for number in (1, 2):
            address = f"192.0.2.{CLUSTERS.index(cluster) * 2 + number}"
            for provider, share in PROVIDERS.items():
                labels = f'local_ip="{address}", provider="{provider}", job="mail/collector", instance="{cluster}:9626"'
                for outcome, of_all in (
                    ("delivered", 0.93),
                    ("deferred", 0.05),
                    ("bounced", 0.015),
                    ("blocklisted", 0.002),
                ):
                    yield (
                        f'duckwatch_sending_ip_events_total{{{labels}, outcome="{outcome}"}}',
                        life.counter(lambda minute, part=of_all * share / 2: arriving[minute] * part),  # type: ignore[misc]
                    )
            once = {day * DAY + self._random.randrange(DAY - HOUR) for day in range(self._minutes // DAY)}
            yield (
                (
                    f'duckwatch_mail_provider_signals_total{{local_ip="{address}", provider="yahoo", code="TSS04", '
                    f'job="mail/collector", instance="{cluster}:9626"}}'
                ),
                life.counter(lambda minute, at=frozenset(once): float(minute in at)),  # type: ignore[misc]
            )

    def _queue(self, cluster: str, zone: str) -> Iterator[tuple[str, Samples]]:
        """Yield the queue of a zone: what waits is a part of what came in the last hours."""
        life, hourly = self._lives[cluster], self._hourly[cluster, zone]
        labels = f'mail_cluster="{cluster}", zone="{zone}", job="mail/collector", instance="{cluster}:9626"'

        def waits(minute: int, part: float) -> float:
            return round(hourly[minute] * part + hourly[max(0, minute - 90)] * part)

        yield f'duckwatch_queue_messages{{{labels}, state="queued"}}', life.gauge(lambda minute: waits(minute, 0.01))
        yield f'duckwatch_queue_messages{{{labels}, state="deferred"}}', life.gauge(lambda minute: waits(minute, 0.05))
        yield f"duckwatch_queue_oldest_age_seconds{{{labels}}}", life.gauge(lambda minute: 3_600.0 * (2 + minute % 40))

    def _programs(self, cluster: str) -> Iterator[tuple[str, Samples]]:
        """Yield what the collector, its journal, its database and its plugins show of themselves."""
        life = self._lives[cluster]
        target = f'job="mail/collector", instance="{cluster}:9626"'
        yield f"up{{{target}}}", [float(minute not in life.unseen) for minute in range(self._minutes)]
        mail = self._arriving[cluster].__getitem__
        yield from (
            (f'duckwatch_build_info{{{target}, version="1"}}', life.gauge(lambda _: 1)),
            (f"duckwatch_store_up{{{target}}}", life.gauge(lambda _: 1)),
            (f"duckwatch_config_last_reload_successful{{{target}}}", life.gauge(lambda _: 1)),
            (f"duckwatch_journal_bytes{{{target}}}", life.gauge(lambda minute: 1e6 + 1e6 * (minute % 7))),
            (f"duckwatch_journal_limit_bytes{{{target}}}", life.gauge(lambda _: 8e9)),
            (f"duckwatch_journal_oldest_age_seconds{{{target}}}", life.gauge(lambda minute: 0.1 * (minute % 5))),
            (f"duckwatch_http_connections{{{target}}}", life.gauge(lambda minute: 20 + minute % 9)),
            (f"duckwatch_http_connections_limit{{{target}}}", life.gauge(lambda _: 1000)),
            (f'duckwatch_http_requests_total{{{target}, route="/api/events/ingest", code="202"}}', life.counter(mail)),
            (f'duckwatch_mail_recipients_queued_total{{{target}, mail_cluster="{cluster}"}}', life.counter(mail)),
            (
                f'duckwatch_event_commit_delay_seconds_bucket{{{target}, source="plugin", le="60.0"}}',
                life.counter(lambda minute: 3 * mail(minute) * 0.9999),
            ),
            (
                f'duckwatch_event_commit_delay_seconds_count{{{target}, source="plugin"}}',
                life.counter(lambda minute: 3 * mail(minute)),
            ),
            (
                f'duckwatch_last_event_timestamp_seconds{{{target}, mail_cluster="{cluster}", source="plugin"}}',
                life.gauge(lambda minute: minute * 60.0 - 5),
            ),
            (
                f'duckwatch_plugin_last_seen_timestamp_seconds{{{target}, mail_cluster="{cluster}", host="mta1"}}',
                life.gauge(lambda minute: minute * 60.0 - 20),
            ),
            (
                f'duckwatch_plugin_spool_bytes{{{target}, mail_cluster="{cluster}", host="mta1"}}',
                life.gauge(lambda _: 0),
            ),
            (
                f'duckwatch_plugin_dropped_events_total{{{target}, mail_cluster="{cluster}", host="mta1"}}',
                life.counter(lambda _: 0),
            ),
            (f'duckwatch_dead_letters_total{{{target}, reason="bad_row"}}', life.counter(lambda _: 0)),
            (
                f'duckwatch_store_errors_total{{{target}, kind="conflict"}}',
                life.counter(lambda minute: float(minute % 200 == 0)),
            ),
            (
                f'duckwatch_store_bytes{{{target}, relation="mail_events"}}',
                life.gauge(lambda minute: 4e9 + 4e5 * (minute % DAY)),
            ),
            (f"duckwatch_store_capacity_bytes{{{target}}}", life.gauge(lambda _: 1e11)),
            (
                f"duckwatch_store_oldest_transaction_age_seconds{{{target}}}",
                life.gauge(lambda minute: float(minute % 3)),
            ),
        )

    def _jobs_and_people(self, cluster: str) -> Iterator[tuple[str, Samples]]:
        """Yield the scheduled jobs, the logins, the complaints and the new replies that the collector counts."""
        life = self._lives[cluster]
        target = f'job="mail/collector", instance="{cluster}:9626"'
        for task in ("roll_up", "queue_state", "retention", "housekeeping", "reconcile", "sizes"):
            yield (
                f'duckwatch_job_last_success_timestamp_seconds{{{target}, task="{task}"}}',
                life.gauge(lambda minute: minute * 60.0 - 30),
            )
            yield f'duckwatch_job_runs_total{{{target}, task="{task}", result="failed"}}', life.counter(lambda _: 0)
        for result, rate in (("success", 40.0), ("failed", 1.0), ("unknown_user", 0.5)):
            yield (
                (
                    f'duckwatch_auth_events_total{{{target}, mail_cluster="{cluster}", protocol="imap", '
                    f'result="{result}"}}'
                ),
                life.counter(lambda _, per=rate: per),  # type: ignore[misc]
            )
        yield f'duckwatch_auth_suspects{{{target}, kind="account"}}', life.gauge(lambda minute: float(minute % 50 == 0))
        yield f'duckwatch_auth_suspects{{{target}, kind="source"}}', life.gauge(lambda minute: float(minute % 70 == 0))
        for provider, share in PROVIDERS.items():
            labels = f'{target}, mail_cluster="{cluster}", provider="{provider}"'
            complains = 0.0 if provider == "google" else 0.0001 * share

            def complaints(minute: int, complains: float = complains) -> float:
                return complains * self._arriving[cluster][minute]

            yield f"duckwatch_mail_complaints_total{{{labels}}}", life.counter(complaints)
            yield f"duckwatch_mail_new_patterns{{{labels}}}", life.gauge(lambda minute: float(minute // HOUR % 5))
