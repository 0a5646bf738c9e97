"""*Overview*: whether mail is delivered, how quickly, why it is not, and whether these numbers are complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.alerts import alert_marks
from grafana.annotations import LISTINGS
from grafana.columns import coloured, column, denominator, hidden, value
from grafana.dashboards._live import NOW, newest_events, traffic_now
from grafana.dashboards._verdicts import alerts, verdicts, where_next
from grafana.fields import Card, Colour, Scale, Step, Unit
from grafana.layout import Row
from grafana.links import DashboardUid, of_column, to_dashboard
from grafana.pages import Page, dashboard
from grafana.panels import Style, stat, table, timeseries
from grafana.targets import PromQL, Sql

if TYPE_CHECKING:
    from grafana.fields import Json
    from grafana.settings import Settings

PAGE = Page(
    uid=DashboardUid.OVERVIEW,
    title="Mail overview",
    description="Deliveries, delays and failures of all clusters, and the health of the pipeline that counts them.",
    annotations=(LISTINGS, *alert_marks()),
)

HARD_BOUNCE_LIMITS = (0.05, 0.1)
"""Where DuckwatchHardBounceRatioHigh begins, as a warning and critical; a test holds it to thresholds.yml."""

LEAST_PER_HOUR = 200
"""Finished recipients an hour below which no alert judges a ratio; a test holds it to thresholds.yml."""

BOUNCED = (Step(Colour.GOOD), Step(Colour.WATCH, HARD_BOUNCE_LIMITS[0]), Step(Colour.BAD, HARD_BOUNCE_LIMITS[1]))
DEFERRED = (Step(Colour.GOOD), Step(Colour.WATCH, 0.3))

TO_PROVIDER = to_dashboard(
    DashboardUid.DELIVERY, "Delivery to this provider", values={"provider": of_column("provider")}
)

TO_TRACE = to_dashboard(
    DashboardUid.TRACE, "Life of this message", values={"message": of_column("message")}, span=("from_ms", "to_ms")
)

OUTCOMES = {"bounced": Colour.BAD, "deferred": Colour.WATCH}


def build(settings: Settings) -> Json:
    """Return the dashboard, normalised."""
    rows = [
        Row([verdicts(), alerts(), where_next()]),
        Row([traffic_now(20), newest_events(21)], NOW, 104, collapsed=True),
        Row([_outcomes(), _in_and_out()], "Traffic", 100),
        Row([_hard_bounces(), _by_zone()], "Outcome", 101),
        Row([_latency(), _ingest()], "Latency, and how late this page is", 102),
        Row([_reasons(), _newest_failures()], "Newest failures", 103),
    ]
    return dashboard(PAGE, rows, settings)


def _outcomes() -> Json:
    return timeseries(
        Card(
            id=1,
            title="Delivery attempts by outcome",
            description=(
                "Recipients per bin. Deferred counts each attempt. "
                "Mail without a sender (bounce messages) is left out. "
                "More orange: they put us off, mail waits. More red: they refuse; see which provider on Delivery."
            ),
            width=12,
            height=9,
            links=(
                to_dashboard(DashboardUid.DELIVERY, "By provider and address"),
                to_dashboard(DashboardUid.BOUNCES, "Their replies"),
            ),
        ),
        [Sql("overview/outcomes")],
        Scale(Unit.COUNT),
        style=Style.BARS,
        overrides=[
            coloured("delivered", Colour.GOOD),
            coloured("deferred", Colour.WATCH),
            coloured("bounced", Colour.BAD),
        ],
    )


def _in_and_out() -> Json:
    return timeseries(
        Card(
            id=10,
            title="Into the queue and out of it",
            description=(
                "Recipients per bin that were queued, and that left the queue: delivered, bounced, dropped, deleted or "
                "released. While more come in than go out the queue grows; when more go out it drains by itself. "
                "Nothing comes in: look at the senders and at ZoneMTA."
            ),
            width=12,
            height=9,
            links=(to_dashboard(DashboardUid.QUEUE, "The queue"),),
        ),
        [Sql("overview/in_and_out")],
        Scale(Unit.COUNT),
        overrides=[coloured("into the queue", Colour.OTHER), coloured("out of the queue", Colour.GOOD)],
    )


def _hard_bounces() -> Json:
    finished = 'mail_cluster_zone:duckwatch_mail_finished:rate30m{mail_cluster=~"$cluster"} * 3600'
    return timeseries(
        Card(
            id=2,
            title="Hard bounces",
            description="Recipients whose addresses refuse mail for good, among those finished (delivered or bounced), "
            "a mean of 30 minutes; the dotted lines say how many finish in an hour. No ratio where they are fewer than "
            f"{LEAST_PER_HOUR}. The lines are where DuckwatchHardBounceRatioHigh begins: then look at Bounces for the "
            "mailing list they come from.",
            width=12,
            height=9,
            links=(to_dashboard(DashboardUid.BOUNCES, "Bounces"),),
        ),
        [
            PromQL(
                'mail_cluster_zone_class:duckwatch_mail_bounce_ratio:rate30m{mail_cluster=~"$cluster",class="hard"}'
                f" and on (mail_cluster, zone) ({finished} >= {LEAST_PER_HOUR})",
                "{{mail_cluster}} / {{zone}}",
            ),
            PromQL(finished, "{{mail_cluster}} / {{zone}}, finished in an hour", ref="B"),
        ],
        Scale(Unit.RATIO, BOUNCED),
        overrides=[denominator("B")],
    )


def _by_zone() -> Json:
    return table(
        Card(
            id=12,
            title="By cluster and zone",
            description=(
                "Recipients that are finished (delivered or bounced) with the share that bounced, and attempts with "
                "the share that was deferred, in the range. A dot: fewer than 100, too little mail to judge. "
                "One red zone: look at its sending addresses on Delivery. All red: look at what they say on Bounces."
            ),
            width=12,
            height=9,
        ),
        [Sql("overview/by_zone", table=True)],
        overrides=[
            column("cluster", "Cluster", 80),
            column(
                "zone",
                "Zone",
                None,
                links=[
                    to_dashboard(DashboardUid.DELIVERY, "Delivery of this zone", values={"zone": of_column("zone")})
                ],
            ),
            column("finished", "Finished", 95, unit=Unit.COUNT),
            column("bounced_share", "Bounced", 95, unit=Unit.RATIO, decimals=1, thresholds=BOUNCED, empty="·"),
            column("attempts", "Attempts", 98, unit=Unit.COUNT),
            column("deferred_share", "Deferred", 98, unit=Unit.RATIO, decimals=1, thresholds=DEFERRED, empty="·"),
        ],
    )


def _latency() -> Json:
    return timeseries(
        Card(
            id=3,
            title="Time from queue to delivery",
            description=(
                "How long delivered mail had been queued: half of it less than p50, all but a twentieth less than p95. "
                "Only p95 rises: some providers defer. p50 rises too: most mail waits, look at the queue and at "
                "ZoneMTA."
            ),
            width=12,
            height=8,
            links=(to_dashboard(DashboardUid.DELIVERY, "By provider, and first attempts apart"),),
        ),
        [
            PromQL.quantile(0.5, "duckwatch_mail_delivery_seconds", "p50", where='mail_cluster=~"$cluster"'),
            PromQL.quantile(0.95, "duckwatch_mail_delivery_seconds", "p95", where='mail_cluster=~"$cluster"', ref="B"),
        ],
        Scale(Unit.SECONDS),
    )


def _ingest() -> Json:
    return stat(
        Card(
            id=4,
            title="Ingest health",
            description=(
                "From an event's stamp to its commit (p95), the age of the oldest request that waits in a journal, "
                "how long the most silent plugin has said nothing, and how old the newest event is. "
                "Orange or red: this page is late by as much; look at the collector and its database. "
                "The newest event may be old because no mail comes in."
            ),
            width=12,
            height=8,
            links=(to_dashboard(DashboardUid.DUCKWATCH, "The collector"),),
        ),
        [
            PromQL.quantile(0.95, "duckwatch_event_commit_delay_seconds", "Stamp to commit, p95"),
            PromQL("max(duckwatch_journal_oldest_age_seconds)", "Oldest in the journal", ref="B"),
            PromQL(
                'time() - min(duckwatch_plugin_last_seen_timestamp_seconds{mail_cluster=~"$cluster"})',
                "Most silent plugin",
                ref="C",
            ),
            PromQL(
                'time() - max(duckwatch_last_event_timestamp_seconds{mail_cluster=~"$cluster"})',
                "Newest event",
                ref="D",
            ),
        ],
        # A plugin sends a heartbeat at least every 30 s.
        Scale(Unit.SECONDS, (Step(Colour.GOOD), Step(Colour.WATCH, 60), Step(Colour.BAD, 300))),
        overrides=[value("Newest event", "Newest event", thresholds=(Step(Colour.PLAIN),))],
    )


def _reasons() -> Json:
    return table(
        Card(
            id=5,
            title="Reasons of bounces and deferrals",
            description=(
                "The most frequent first, with the newest reply of each kind "
                "(its ids, addresses and numbers replaced). "
                "Deferred counts each attempt. The class of a bounce: hard, expired, block, other or soft; "
                "in a range of over 25 hours there is none. "
                "Block: the provider refuses us, so act. Hard: the address is wrong, so the sender must act."
            ),
            width=24,
            height=9,
            links=(to_dashboard(DashboardUid.BOUNCES, "Bounces and deferrals"),),
        ),
        [Sql("overview/failure_reasons", table=True)],
        overrides=[
            column("action", "Outcome", 100, words=OUTCOMES),
            column("class", "Class", 90),
            column("reason", "Reason", 140),
            column("provider", "Provider", 120, links=[TO_PROVIDER]),
            column("recipients", "Count", 90, unit=Unit.COUNT),
            column("newest", "Newest", 160, unit=Unit.AGO),
            column("pattern", "Newest reply", None),
        ],
    )


def _newest_failures() -> Json:
    return table(
        Card(
            id=6,
            title="Newest failures",
            description=(
                "The newest 50 deferrals and bounces in the range. Many of one domain: that domain has a fault or "
                "refuses us. Many domains with one code: look at the reasons above. "
                "Click a time to see the life of that message."
            ),
            width=24,
            height=10,
        ),
        [Sql("overview/newest_failures", table=True)],
        overrides=[
            column("time", "Time", 170, unit=Unit.AT, links=[TO_TRACE]),
            column("action", "Outcome", 100, words=OUTCOMES),
            column("cluster", "Cluster", 90),
            column("zone", "Zone", 120),
            column("recipient_domain", "Domain", 170),
            column("provider", "Provider", 110, links=[TO_PROVIDER]),
            column("smtp_code", "Code", 80, unit=Unit.NONE),
            column("class", "Class", 90),
            column("reason", "Reason", 140),
            column("response_pattern", "Reply", None),
            hidden("message"),
            hidden("from_ms"),
            hidden("to_ms"),
        ],
    )
