"""Ten incidents of the made-up house: what each changes in its series, and the alert that has to name it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tests.quiet_week.blocklists import DAY
from tests.quiet_week.fates import Incident
from tests.quiet_week.house import CLUSTERS
from tests.quiet_week.series import Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MAIL: Final = r"duckwatch_(mail_(attempts|outcomes|delivery)|sending_ip)_\w*"

EXPLAINED: Final = {
    "DuckwatchProviderRefuses": {"eu1"},
    "DuckwatchBlockRatioHigh": {"eu1"},
    "DuckwatchFirstAttemptsFall": {"eu1"},
    "DuckwatchDeliverySloBurn": {"eu1"},
    "DuckwatchLoginFailures": {"eu1"},
    "DuckwatchIngestSloBurn": {"pipeline"},
    "DuckwatchDnsblListed": {"192.0.2.3"},
    "DuckwatchAddressRefused": {"192.0.2.3"},
    "DuckwatchQueueGrows": {"eu2"},
}
"""The warnings that may come with an incident, beside the alert that names it, and a label value that each carries."""

NAMED: Final = (
    ("DuckwatchProviderRefuses", "critical"),
    ("DuckwatchDatabaseAway", "critical"),
    ("DuckwatchChangeStreamHistoryLost", "critical"),
    ("DuckwatchCollectorDown", "critical"),
    ("DuckwatchDnsblListRefused", "warning"),
    ("DuckwatchLoginAccountsAttacked", "critical"),
    ("DuckwatchPluginDroppedEvents", "critical"),
    ("DuckwatchPluginSilent", "warning"),
    ("DuckwatchDnsblListedAndEnforced", "critical"),
    ("DuckwatchQueueGrows", "critical"),
)
"""The alert of each incident, and its severity."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """An incident that changes series while it lasts. `begins` and `ends` are minutes.

    `changes` has a regular expression of series, and how their samples change; `adds` has series that the quiet house
    does not show, as zeros.
    """

    begins: int
    ends: int
    changes: tuple[tuple[str, Callable[[Samples, int, int], Samples]], ...]
    adds: tuple[str, ...] = ()


def troubled(
    series: Iterable[tuple[str, Samples]], troubles: Sequence[Trouble], minutes: int
) -> Iterator[tuple[str, Samples]]:
    """Yield the series of the house, and those that only troubles show, as the troubles change them."""
    yield from (_changed(name, samples, troubles) for name, samples in series)
    for trouble in troubles:
        for name in trouble.adds:
            yield _changed(name, Samples([0.0] * minutes), troubles)


def _changed(name: str, samples: Samples, troubles: Sequence[Trouble]) -> tuple[str, Samples]:
    for trouble in troubles:
        for pattern, change in trouble.changes:
            if re.match(pattern, name):
                samples = change(samples, trouble.begins, trouble.ends)
    return name, samples


def unseen(samples: Samples, begins: int, ends: int) -> Samples:
    """Return the samples without those of the time: nothing is scraped."""
    return [*samples[:begins], *[None] * (ends - begins), *samples[ends:]]


def value(number: float, each_minute: float = 0.0) -> Callable[[Samples, int, int], Samples]:
    """Return a change to a gauge: it has this value, which grows each minute."""

    def change(samples: Samples, begins: int, ends: int) -> Samples:
        during = [number + each_minute * minute for minute in range(ends - begins)]
        return [*samples[:begins], *during, *samples[ends:]]

    return change


def held(samples: Samples, begins: int, ends: int) -> Samples:
    """Return the samples with the value from before; a counter shows at the end what it has missed."""
    return [*samples[:begins], *[samples[begins - 1]] * (ends - begins), *samples[ends:]]


def grows(factor: float, each_minute: float = 0.0) -> Callable[[Samples, int, int], Samples]:
    """Return a change to a counter: it grows by so many times its growth, and by a number each minute."""

    def change(samples: Samples, begins: int, ends: int) -> Samples:
        moved, more, last = samples[:begins], 0.0, samples[begins - 1] or 0.0
        for minute, sample in enumerate(samples[begins:], begins):
            if sample is not None:
                step, last = sample - last, sample
                if step < 0:  # the program started anew, and its counter with it
                    more = 0.0
                elif minute < ends:
                    more += step * (factor - 1) + each_minute
            moved.append(None if sample is None else sample + more)
        return moved

    return change


def incidents(clusters: Sequence[str], day: int = 0) -> tuple[list[Incident], list[Trouble]]:
    """Return the incidents of a day, on two of the clusters: the provider that refuses one, and nine troubles."""
    one, other = clusters[0], clusters[1]
    troubles = [
        *_of_programs(one, other),
        *_of_plugins(one, other),
        *_of_lists(other),
        _of_logins(one),
        _of_a_zone(other),
    ]
    return [Incident(one, "microsoft", day * DAY + 600, day * DAY + 780)], [
        _later(each, day * DAY) for each in troubles
    ]


def _later(trouble: Trouble, minutes: int) -> Trouble:
    return replace(trouble, begins=trouble.begins + minutes, ends=trouble.ends + minutes)


def _of(cluster: str) -> str:
    """Return the rest of a regular expression of series: those of the cluster, or of its collector."""
    return f'.*"{cluster}[":]'


def _of_programs(one: str, other: str) -> Iterator[Trouble]:
    """Yield: the database goes away, the change stream has lost its history, the collector dies."""
    yield Trouble(
        60,
        75,
        (
            (rf"duckwatch_store_up{_of(one)}", value(0)),
            (rf"duckwatch_journal_oldest_age_seconds{_of(one)}", value(0, 60)),
            (rf"duckwatch_plugin_last_seen_timestamp_seconds{_of(one)}", held),
            (rf"duckwatch_event_commit_delay_seconds_count{_of(one)}", held),
            (rf"duckwatch_event_commit_delay_seconds_bucket{_of(one)}", grows(0)),
        ),
    )
    labels = f'job="mail/collector", instance="{other}:9626", mail_cluster="{other}", feed="queue"'
    lost = f'duckwatch_changestream_errors_total{{{labels}, kind="history_lost"}}'
    yield Trouble(120, 121, ((re.escape(lost), grows(1, 1)),), (lost,))
    yield Trouble(180, 200, ((rf"duckwatch_{_of(other)}", unseen), (rf"up{_of(other)}", value(0))))


def _of_plugins(one: str, other: str) -> Iterator[Trouble]:
    """Yield: a plugin drops events, the plugin of a cluster dies."""
    yield Trouble(330, 335, ((rf"duckwatch_plugin_dropped_events_total{_of(one)}", grows(1, 5)),))
    yield Trouble(
        420,
        480,
        (
            (rf"{MAIL}{_of(other)}", grows(0)),
            (rf"duckwatch_(plugin_last_seen|last_event)_timestamp_seconds{_of(other)}", held),
            (rf"duckwatch_event_commit_delay_seconds{_of(other)}", grows(0)),
        ),
    )


def _of_lists(cluster: str) -> Iterator[Trouble]:
    """Yield: a blocklist refuses us, an address is listed and receivers act on it."""
    exporter = 'job="mail/dnsbl", instance="dnsbl:9627"'
    state = f'duckwatch_dnsbl_list_state{{{exporter}, list="stern.example", state="refused"}}'
    healthy = r'duckwatch_dnsbl_list_state.*"stern.example", state="healthy"'
    yield Trouble(240, 330, ((re.escape(state), value(1)), (healthy, value(0))), (state,))
    address = f"192.0.2.{CLUSTERS.index(cluster) * 2 + 1}"
    labels = f'target="{address}", list="stern.example", code="127.0.0.2", severity="critical"'
    listed = f"duckwatch_dnsbl_listing_info{{{exporter}, {labels}}}"
    refused = rf'duckwatch_sending_ip_events_total.*"{address}".*outcome="blocklisted"'
    yield Trouble(840, 900, ((re.escape(listed), value(1)), (refused, grows(100))), (listed,))


def _of_logins(cluster: str) -> Trouble:
    """Return: somebody tries many accounts from few addresses."""
    return Trouble(
        270,
        300,
        (
            (rf'duckwatch_auth_events_total{_of(cluster)}.*result="failed"', grows(1, 60)),
            (r'duckwatch_auth_suspects.*kind="account"', value(60)),
            (r'duckwatch_auth_suspects.*kind="source"', value(2)),
        ),
    )


def _of_a_zone(cluster: str) -> Trouble:
    """Return: a zone sends nothing, and its queue grows."""
    zone = f'mail_cluster="{cluster}", zone="transactional"'
    queued = f'duckwatch_queue_messages.*{zone}.*state="queued"'
    return Trouble(960, 1140, ((f"{MAIL}.*{zone}", grows(0)), (queued, value(50, 20))))
