"""*Queue*: what waits, since when and for which destination, and whether the queue drains by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.alerts import alert_marks
from grafana.columns import Cell, coloured, column
from grafana.dashboards._live import NOW, queue_now
from grafana.dashboards.queue.now import OLD, TO_BOUNCES, now
from grafana.dashboards.queue.waiting import NOT_FOLLOWED_YET, by_state, by_zone, domains, domains_over_time, oldest
from grafana.fields import Card, Colour, Scale, Unit
from grafana.layout import Row
from grafana.links import DashboardUid
from grafana.pages import Page, dashboard
from grafana.panels import bar_chart, table, timeseries
from grafana.targets import Sql

if TYPE_CHECKING:
    from grafana.fields import Json
    from grafana.settings import Settings

PAGE = Page(
    uid=DashboardUid.QUEUE,
    title="Queue",
    description=(
        "What waits in ZoneMTA's queue, and whether the queue drains by itself. "
        "Needs `collector.mongo`: the collector counts the queue from MongoDB's change stream."
    ),
    annotations=alert_marks("queue"),
)

VERDICTS = {
    "grows": Colour.BAD,
    "stays": Colour.WATCH,
    "drains": Colour.GOOD,
    "empty": Colour.GOOD,
    "too early to say": Colour.PLAIN,
}


def build(settings: Settings) -> Json:
    """Return the dashboard, normalised."""
    rows = [
        Row(now()),
        Row([queue_now(50)], NOW, 500, collapsed=True),
        Row([_drain(), _in_and_out()], "Will it drain by itself?", 100),
        Row([by_zone(), oldest(), by_state()], "By zone", 200),
        Row([domains_over_time(), domains()], "By destination", 300),
        Row([_attempts(), _retried()], "Retries", 400),
    ]
    return dashboard(PAGE, rows, settings)


def _drain() -> Json:
    return table(
        Card(
            id=10,
            title="Zones",
            description=(
                "A straight line through the last 30 minutes of the range. `drains` and `grows`: it moves by more "
                "than 5 % of what waits. If a zone drains, wait. If it grows, look at the oldest age and at Bounces & "
                "deferrals; more connections help only if few recipients are deferred."
            ),
            width=15,
            height=9,
            links=(TO_BOUNCES,),
            empty=NOT_FOLLOWED_YET,
        ),
        [Sql("queue/drain", table=True)],
        overrides=[
            column("zone", "Zone", None),
            column("verdict", "Verdict", 120, words=VERDICTS, cell=Cell.FILL),
            column("waiting", "Waiting", 95, unit=Unit.COUNT),
            column("deferred", "Deferred", 105, unit=Unit.COUNT),
            column("oldest", "Oldest", 100, unit=Unit.SECONDS, thresholds=OLD),
            column("per_minute", "Per minute", 120, unit=Unit.COUNT, decimals=1),
            column("empty_in", "Empty in", 105, unit=Unit.SECONDS, empty="-"),
        ],
    )


def _in_and_out() -> Json:
    return timeseries(
        Card(
            id=11,
            title="Arrived and left",
            description=(
                "Recipients per bin. Left: delivered, bounced, dropped, deleted or released. While more arrive than "
                "leave, the queue grows. From the events, so it works without MongoDB; bounce messages are in neither."
            ),
            width=9,
            height=9,
        ),
        [Sql("queue/in_and_out")],
        Scale(Unit.COUNT),
        overrides=[coloured("arrived", Colour.OTHER), coloured("left", Colour.GOOD)],
    )


def _attempts() -> Json:
    return bar_chart(
        Card(
            id=40,
            title="Deferrals by attempt, last hour",
            description=(
                "Attempts that were deferred in the last hour of the range, by their number for that recipient. "
                "Many first attempts: a new problem, or greylisting. Many late ones: mail that is about to bounce."
            ),
            width=8,
            height=10,
        ),
        [Sql("queue/attempts", table=True)],
        Scale(Unit.COUNT),
        x="attempt",
    )


def _retried() -> Json:
    return table(
        Card(
            id=41,
            title="Most retried destinations, last hour",
            description=(
                "Destinations with deferrals in the last hour of the range, those with the highest attempt first, with "
                "their most frequent reason and newest reply. What is here will bounce unless the reply changes."
            ),
            width=16,
            height=10,
            links=(TO_BOUNCES,),
        ),
        [Sql("queue/retried", table=True)],
        overrides=[
            column("domain", "Destination", 180),
            column("deferrals", "Deferrals", 110, unit=Unit.COUNT),
            column("attempts", "Attempt", 90, unit=Unit.NONE),
            column("next", "Next attempt", 142, unit=Unit.AGO),
            column("reason", "Reason", 130),
            column("pattern", "Newest reply", None),
        ],
    )
