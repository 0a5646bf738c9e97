"""*Overview*: is mail getting out, how quickly, and if not why; and can these numbers be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import coloured, column
from grafana.fields import (
    Card,
    Colour,
    Scale,
    Step,
    Unit,
)
from grafana.layout import Row
from grafana.links import Board
from grafana.pages import Page, dashboard
from grafana.panels import Style, stat, table, timeseries
from grafana.targets import PromQL, Sql

if TYPE_CHECKING:
    from grafana.fields import Json
    from grafana.settings import Settings

PAGE = Page(
    board=Board.OVERVIEW,
    title="Mail overview",
    description="Deliveries, delays and failures of all clusters, and the health of the pipeline that counts them.",
)

BOUNCE_RATIO_LIMIT = 0.1
"""Where DuckwatchMailBounceRatioHigh begins; a test holds it to alert-rules/thresholds.yml."""

OUTCOMES = {"bounced": Colour.BAD, "deferred": Colour.WATCH}


def build(settings: Settings) -> Json:
    """Return the dashboard, normalised."""
    panels = [_outcomes(), _bounce_ratio(), _latency(), _ingest(), _reasons(), _newest_failures()]
    return dashboard(PAGE, [Row(panels)], settings)


def _outcomes() -> Json:
    return timeseries(
        Card(
            id=1,
            title="Delivery attempts by outcome",
            description=(
                "Recipients per bin, from the event table. Deferred counts each attempt. "
                "Mail without a sender (bounce messages) is left out."
            ),
            width=12,
            height=9,
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


def _bounce_ratio() -> Json:
    return timeseries(
        Card(
            id=2,
            title="Bounce ratio",
            description="Bounced recipients among those finished (delivered or bounced) in the last 30 minutes. "
            "The line is where DuckwatchMailBounceRatioHigh begins.",
            width=12,
            height=9,
        ),
        [
            PromQL(
                'mail_cluster_zone:duckwatch_mail_bounce_ratio:rate30m{mail_cluster=~"$cluster"}',
                "{{mail_cluster}} / {{zone}}",
            )
        ],
        Scale(Unit.RATIO, (Step(Colour.GOOD), Step(Colour.BAD, BOUNCE_RATIO_LIMIT))),
    )


def _latency() -> Json:
    return timeseries(
        Card(
            id=3,
            title="Time from queue to delivery",
            description=(
                "How long delivered mail had been queued: half of it less than p50, all but a twentieth less than p95."
            ),
            width=12,
            height=8,
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
                "and how long the most silent plugin has said nothing."
            ),
            width=12,
            height=8,
        ),
        [
            PromQL.quantile(0.95, "duckwatch_event_commit_delay_seconds", "Stamp to commit, p95"),
            PromQL("max(duckwatch_journal_oldest_age_seconds)", "Oldest in the journal", ref="B"),
            PromQL(
                'time() - min(duckwatch_plugin_last_seen_timestamp_seconds{mail_cluster=~"$cluster"})',
                "Most silent plugin",
                ref="C",
            ),
        ],
        # A plugin reports every 30 s at the least.
        Scale(Unit.SECONDS, (Step(Colour.GOOD), Step(Colour.WATCH, 60), Step(Colour.BAD, 300))),
    )


def _reasons() -> Json:
    return table(
        Card(
            id=5,
            title="Reasons of bounces and deferrals",
            description=(
                "The most frequent first, with the newest reply of each kind "
                "(its ids, addresses and numbers replaced). "
                "Deferred counts each attempt. The class of a bounce: hard, expired, block, other or soft."
            ),
            width=24,
            height=9,
        ),
        [Sql("overview/failure_reasons", table=True)],
        overrides=[
            column("action", "Outcome", 100, words=OUTCOMES),
            column("class", "Class", 90),
            column("reason", "Reason", 140),
            column("provider", "Provider", 120),
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
            description="The newest 50 deferrals and bounces in the range.",
            width=24,
            height=10,
        ),
        [Sql("overview/newest_failures", table=True)],
        overrides=[
            column("time", "Time", 170, unit=Unit.AT),
            column("action", "Outcome", 100, words=OUTCOMES),
            column("cluster", "Cluster", 90),
            column("zone", "Zone", 120),
            column("recipient_domain", "Domain", 170),
            column("provider", "Provider", 110),
            column("smtp_code", "Code", 80, unit=Unit.NONE),
            column("class", "Class", 90),
            column("reason", "Reason", 140),
            column("response_pattern", "Reply", None),
        ],
    )
