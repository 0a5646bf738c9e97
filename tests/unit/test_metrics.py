"""Metrics of mail and plugins: limited labels, and counts that equal the rows."""

from __future__ import annotations

import time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.events.model.batch import Batch, DeadLetter, SeenHeartbeat, WriteResult
from collector.events.model.event import (
    Action,
    BounceKind,
    Direction,
    Heartbeat,
    MailEvent,
    Provider,
    Reason,
    RejectReason,
    Source,
)
from collector.events.replies.provider_codes import SIGNALS
from collector.metrics import Metrics
from collector.metrics.labels import MAX_ADDRESSES, MAX_HOSTS, NONE, OTHER, BoundedLabel
from collector.metrics.mail import MailMetrics
from collector.metrics.plugins import PluginMetrics

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOW = int(time.time() * 1000) - 2 * DAY


def samples(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """Return label values (in the order of label names) -> value."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def event(**columns: Any) -> MailEvent:
    """Return a delivered event with fields changed."""
    plain: dict[str, Any] = {
        "time": NOW,
        "cluster": "eu1",
        "host": "mta1",
        "event_id": "e",
        "action": Action.DELIVERED,
        "source": Source.PLUGIN,
        "direction": Direction.OUTBOUND,
    }
    return MailEvent(**(plain | columns))


def counted(
    *events: MailEvent, batch: list[MailEvent] | None = None, letters: list[DeadLetter] | None = None
) -> Metrics:
    """Return the metrics after one commit."""
    metrics = Metrics()
    MailMetrics(metrics, now=lambda: NOW / 1000 + 2)(
        WriteResult(Batch(batch or list(events), letters or []), list(events))
    )
    return metrics


def test_an_event_counts_once_under_its_labels() -> None:
    """An event counts once under its labels, a missing zone or provider as `none`."""
    metrics = counted(event(zone="gmail", provider=Provider.GOOGLE), event(), event())
    assert samples(metrics, "duckwatch_mail_events_total") == {
        ("delivered", "eu1", "google", "gmail"): 1,
        ("delivered", "eu1", "none", "none"): 2,
    }


def test_reports_stay_out_of_what_rates_are_made_of() -> None:
    """Events of DSNs do not count in the metrics of bounces, deferrals and deliveries."""
    dsn: dict[str, Any] = {"direction": Direction.DSN, "queue_ms": 1, "local_ip": "192.0.2.1", "provider_code": "S3150"}
    metrics = counted(
        event(action=Action.BOUNCED, reason=Reason.OTHER, bounce_kind=BounceKind.SOFT, **dsn),
        event(action=Action.DEFERRED, reason=Reason.OTHER, **dsn),
        event(action=Action.QUEUED, recipients=3, **dsn),
        event(**dsn),
    )
    assert sum(samples(metrics, "duckwatch_mail_events_total").values()) == 4
    for name in ("bounces", "deferrals", "recipients_queued", "provider_signals"):
        assert samples(metrics, f"duckwatch_mail_{name}_total") == {}
    assert samples(metrics, "duckwatch_mail_delivery_seconds_count") == {}
    assert samples(metrics, "duckwatch_sending_ip_events_total") == {}


def test_a_bounce_counts_by_reason_and_kind_and_against_its_address() -> None:
    """A bounce counts by reason and kind, and against its sending address if listed or rate limited."""
    bounce = event(
        action=Action.BOUNCED,
        reason=Reason.REPUTATION,
        bounce_kind=BounceKind.SOFT,
        local_ip="192.0.2.1",
        provider=Provider.MICROSOFT,
        provider_code="S3150",
    )
    deferral = event(action=Action.DEFERRED, reason=Reason.RATE_LIMITED, local_ip="192.0.2.1")
    metrics = counted(bounce, deferral, event(local_ip="192.0.2.1"))
    assert samples(metrics, "duckwatch_mail_bounces_total") == {("soft", "eu1", "microsoft", "reputation", "none"): 1}
    assert samples(metrics, "duckwatch_mail_deferrals_total") == {("eu1", "none", "rate_limited", "none"): 1}
    assert samples(metrics, "duckwatch_mail_provider_signals_total") == {("S3150", "192.0.2.1", "microsoft"): 1}
    counts = {
        ("192.0.2.1", "blocklisted", "microsoft"): 1,
        ("192.0.2.1", "rate_limited", "none"): 1,
        ("192.0.2.1", "delivered", "none"): 1,
    }
    assert samples(metrics, "duckwatch_sending_ip_events_total") == {
        ("192.0.2.1", outcome, provider): counts.get(("192.0.2.1", outcome, provider), 0)
        for outcome in ("delivered", "deferred", "bounced", "blocklisted", "rate_limited")
        for provider in ("microsoft", "none")
    }


OUTCOMES = (Action.DELIVERED, Action.DEFERRED, Action.BOUNCED)


def test_first_and_later_attempts_count_apart() -> None:
    """Each outbound outcome counts under its attempt; an attempt that nobody counted is unknown."""
    numbers = {None: "unknown", 0: "unknown", 1: "first", 2: "later", 7: "later"}
    events = [
        event(action=action, attempt=number, zone="bulk", provider=Provider.GOOGLE)
        for action in OUTCOMES
        for number in numbers
    ]
    others = [event(action=Action.QUEUED, attempt=1), event(direction=Direction.DSN, attempt=1)]
    expected = {
        (name, "eu1", outcome, "google", "bulk"): list(numbers.values()).count(name)
        for name in numbers.values()
        for outcome in ("delivered", "deferred", "bounced")
    }
    metrics = counted(*events, *others)
    assert samples(metrics, "duckwatch_mail_attempts_total") == expected
    assert sum(samples(metrics, "duckwatch_mail_events_total").values()) == len(events) + len(others)


def test_configured_addresses_have_every_code_from_the_start() -> None:
    """Each code of the table is 0 for a configured address, which no other address can push out."""
    metrics, own = Metrics(), ("192.0.2.1", "2001:db8::1")
    mail = MailMetrics(metrics, now=time.time, addresses=own)
    shown = samples(metrics, "duckwatch_mail_provider_signals_total")
    assert shown == {(row.code, address, row.provider): 0 for row in SIGNALS for address in own}
    signal: dict[str, Any] = {
        "action": Action.DEFERRED,
        "provider": Provider.YAHOO,
        "provider_code": "TSS04",
    }
    strangers = [event(local_ip=f"198.51.{n // 200}.{n % 200}", **signal) for n in range(MAX_ADDRESSES + 50)]
    mail(WriteResult(Batch(), [*strangers, event(local_ip=own[1], **signal), event(**signal)]))
    shown = samples(metrics, "duckwatch_mail_provider_signals_total")
    assert shown["TSS04", own[0], "yahoo"] == 0
    assert shown["TSS04", own[1], "yahoo"] == 1
    assert shown["TSS04", NONE, "yahoo"] == 1
    assert shown["TSS04", OTHER, "yahoo"] == 50 + len(own)
    assert len({address for _, address, _ in shown} - {NONE, OTHER}) == MAX_ADDRESSES


def test_more_configured_addresses_than_there_is_room_for_are_other() -> None:
    """The first 256 configured addresses have labels."""
    metrics, own = Metrics(), [f"10.0.{n // 200}.{n % 200}" for n in range(MAX_ADDRESSES + 1)]
    mail = MailMetrics(metrics, now=time.time, addresses=own)
    mail(WriteResult(Batch(), [event(local_ip=address) for address in own]))
    shown = samples(metrics, "duckwatch_sending_ip_events_total")
    assert {address for address, _, _ in shown} == {*own[:MAX_ADDRESSES], OTHER}


def test_complaints_begin_at_0_with_the_first_delivery() -> None:
    """A pair of cluster and provider has a counter of complaints before its first complaint."""
    metrics = Metrics()
    mail = MailMetrics(metrics, now=time.time)
    mail(WriteResult(Batch(), [event(provider=Provider.YAHOO), event(action=Action.BOUNCED, provider=Provider.GMX)]))
    assert samples(metrics, "duckwatch_mail_complaints_total") == {("eu1", "yahoo"): 0}
    mail.complained({("eu1", "yahoo"): 2, ("eu1", None): 1})
    assert samples(metrics, "duckwatch_mail_complaints_total") == {("eu1", "yahoo"): 2, ("eu1", "none"): 1}


def test_queued_recipients_are_counted_by_message() -> None:
    """A queued message counts once for each recipient."""
    metrics = counted(event(action=Action.QUEUED, recipients=3), event(action=Action.QUEUED, recipients=None))
    assert samples(metrics, "duckwatch_mail_recipients_queued_total") == {("eu1",): 3}


def test_times_are_observed_in_seconds() -> None:
    """Queue time, session and commit delay are in seconds, and the newest time does not go back."""
    metrics = counted(event(queue_ms=1500, smtp_ms=250), event(time=NOW - 5000))
    assert samples(metrics, "duckwatch_mail_delivery_seconds_sum") == {("eu1", "none", "none"): 1.5}
    assert samples(metrics, "duckwatch_smtp_session_seconds_sum") == {("eu1", "none"): 0.25}
    assert samples(metrics, "duckwatch_event_commit_delay_seconds_sum") == {("plugin",): 2.0 + 7.0}
    assert samples(metrics, "duckwatch_last_event_timestamp_seconds") == {("eu1", "plugin"): NOW / 1000}


def test_what_was_in_the_table_already_is_a_duplicate() -> None:
    """An event that is in the table already counts as duplicate, not as mail."""
    old, new = event(event_id="old"), event(event_id="new")
    metrics = counted(new, batch=[old, new])
    assert sum(samples(metrics, "duckwatch_mail_events_total").values()) == 1
    assert samples(metrics, "duckwatch_ingest_duplicates_total") == {("plugin",): 1}


def test_letters_count_by_reason() -> None:
    """Dead letters count by reason, each reason from 0: the first letter is an increase."""
    letter = DeadLetter("x", NOW, "eu1", Source.PLUGIN, RejectReason.NO_TIME, "", "")
    expected = {(reason.value,): 0 for reason in RejectReason} | {("no_time",): 1}
    assert samples(counted(letters=[letter]), "duckwatch_dead_letters_total") == expected


@settings(max_examples=20)
@given(st.lists(st.text(max_size=150), min_size=100, max_size=400))
def test_no_sender_makes_more_labels_than_there_is_room_for(values: list[str]) -> None:
    """Any fields of senders give limited, short labels without addresses."""
    label = BoundedLabel(20)
    shown = {label(value) for value in values}
    assert len(shown - {OTHER}) <= 20
    assert all(len(value) <= 100 and "@" not in value for value in shown)


def report(process: str, received_at: int, **fields: Any) -> SeenHeartbeat:
    """Return a process's heartbeat."""
    plain: dict[str, Any] = {
        "cluster": "eu1",
        "host": "mta1",
        "process": process,
        "version": "0.1.0",
        "spool_bytes": 0,
        "oldest_unsent": None,
        "dropped": 0,
    }
    return SeenHeartbeat(Heartbeat(**(plain | fields)), received_at)


def heard(plugins: PluginMetrics, *reports: SeenHeartbeat) -> None:
    """Commit some heartbeats."""
    plugins(WriteResult(Batch([], [], list(reports)), []))


def test_a_hosts_gauges_sum_over_its_living_processes() -> None:
    """A host's gauges sum its processes; one that is two minutes behind has ended, and is left out."""
    metrics = Metrics()
    plugins = PluginMetrics(metrics)
    heard(plugins, report("a", NOW, spool_bytes=100), report("b", NOW + 1000, spool_bytes=50))
    assert samples(metrics, "duckwatch_plugin_spool_bytes") == {("mta1", "eu1"): 150}
    heard(plugins, report("b", NOW + 3 * MINUTE, spool_bytes=60, version="0.2.0"))
    assert samples(metrics, "duckwatch_plugin_spool_bytes") == {("mta1", "eu1"): 60}
    assert samples(metrics, "duckwatch_plugin_last_seen_timestamp_seconds") == {
        ("mta1", "eu1"): (NOW + 3 * MINUTE) / 1000
    }
    assert samples(metrics, "duckwatch_plugin_info") == {("mta1", "eu1", "0.2.0"): 1}


def test_dropped_events_count_by_growth_and_not_again_after_a_restart() -> None:
    """Dropped events count by growth of each process's number, and not again after a restart."""
    metrics = Metrics()
    plugins = PluginMetrics(metrics)
    plugins.restore([report("a", NOW, dropped=5)])
    assert samples(metrics, "duckwatch_plugin_dropped_events_total") == {("mta1", "eu1"): 0}
    heard(plugins, report("a", NOW + 1, dropped=7), report("b", NOW + 1, dropped=1))
    assert samples(metrics, "duckwatch_plugin_dropped_events_total") == {("mta1", "eu1"): 3}


def test_a_host_that_is_silent_for_a_day_is_forgotten() -> None:
    """A host that is silent for a day loses all its series."""
    metrics, passed = Metrics(), 0.0
    plugins = PluginMetrics(metrics, clock=lambda: passed)
    heard(plugins, report("a", NOW, dropped=1))
    passed = DAY / 1000 + 60
    heard(plugins, report("a", NOW + DAY + MINUTE, host="mta2"))
    for name in ("info", "last_seen_timestamp_seconds", "spool_bytes", "dropped_events_total"):
        assert not [labels for labels in samples(metrics, f"duckwatch_plugin_{name}") if "mta1" in labels], name


def test_a_clock_that_jumps_for_a_moment_forgets_no_host() -> None:
    """A clock that jumps for a moment removes no host."""
    metrics = Metrics()
    plugins = PluginMetrics(metrics)
    heard(plugins, report("a", NOW))
    heard(plugins, report("a", NOW + 2 * DAY, host="mta2"))
    assert ("mta1", "eu1") in samples(metrics, "duckwatch_plugin_spool_bytes")


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(-20, 20)), min_size=1, max_size=10))
def test_the_last_report_shows_whatever_the_clock_said(steps: list[tuple[str, int]]) -> None:
    """The last heartbeat is shown, whatever the clock was, and never a future time."""
    metrics = Metrics()
    plugins = PluginMetrics(metrics)
    for number, (process, hours) in enumerate(steps):
        stamp = NOW + hours * HOUR
        heard(plugins, report(process, stamp, spool_bytes=1 << number))
        shown = int(samples(metrics, "duckwatch_plugin_spool_bytes")["mta1", "eu1"])
        assert shown & (1 << number)
        last_seen = samples(metrics, "duckwatch_plugin_last_seen_timestamp_seconds")["mta1", "eu1"]
        assert stamp / 1000 <= last_seen <= stamp / 1000 + 60


def test_a_time_in_the_future_is_shown_as_now() -> None:
    """A future time is shown as now, so that `time() - …` is never negative and grows again."""
    metrics = Metrics()
    metrics.last_event_timestamp.labels("eu1", "plugin").set(time.time() + 20 * 3600)
    shown = [samples(metrics, "duckwatch_last_event_timestamp_seconds")["eu1", "plugin"] for _ in range(2)]
    assert shown[0] <= time.time()
    assert shown[0] == shown[1]


def test_the_newest_stamp_of_a_clock_that_was_ahead_gives_way() -> None:
    """The next event replaces a newest time from a clock that was ahead."""
    metrics, now = Metrics(), NOW / 1000
    mail = MailMetrics(metrics, now=lambda: now)
    for ahead in (20 * HOUR, 0):
        now = (NOW + ahead) / 1000
        mail(WriteResult(batch := Batch([event(time=NOW + ahead)]), batch.events))
    assert samples(metrics, "duckwatch_last_event_timestamp_seconds") == {("eu1", "plugin"): NOW / 1000}


def test_a_host_that_is_a_mail_address_is_no_label() -> None:
    """A host name that is a mail address is not used as label."""
    metrics = Metrics()
    PluginMetrics(metrics).restore([report("p", NOW, host="a@b.example"), report("q", NOW, host="x" * 101)])
    hosts = {s.labels["host"] for family in metrics.registry.collect() for s in family.samples if "host" in s.labels}
    assert hosts == {"other"}


def test_hosts_are_bounded() -> None:
    """The number of hosts is limited."""
    metrics = Metrics()
    plugins = PluginMetrics(metrics)
    heard(plugins, *(report("a", NOW, host=f"mta{n}", dropped=1) for n in range(MAX_HOSTS + 50)))
    for name in ("info", "last_seen_timestamp_seconds", "spool_bytes", "dropped_events_total"):
        assert len(samples(metrics, f"duckwatch_plugin_{name}")) == MAX_HOSTS
