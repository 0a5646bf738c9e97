"""*Queue*: what waits, since when and for which destination, and whether the queue drains by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import Cell, coloured, column
from grafana.dashboards._live import NOW, queue_now
from grafana.fields import Card, Colour, Scale, Step, Unit
from grafana.layout import Row
from grafana.links import Board, to_board
from grafana.pages import Page, dashboard
from grafana.panels import Style, bar_chart, stat, table, timeseries
from grafana.targets import PromQL, Sql

if TYPE_CHECKING:
    from grafana.fields import Json
    from grafana.settings import Settings

PAGE = Page(
    board=Board.QUEUE,
    title="Queue",
    description=(
        "What waits in ZoneMTA's queue, and whether the queue drains by itself. "
        "Needs `collector.mongo`: the collector counts the queue from MongoDB's change stream."
    ),
)

HERE = 'mail_cluster=~"$cluster"'
NOT_FOLLOWED = "the queue is not followed"
NOT_FOLLOWED_YET = "the queue is empty, or not followed: see docs/backup-sources.md"
COUNTED_AT = 'max(duckwatch_job_last_success_timestamp_seconds{task="queue_state"})'
LATE = (Step(Colour.GOOD), Step(Colour.WATCH, 60), Step(Colour.BAD, 300))
"""Seconds. The queue is counted every 15 seconds."""
OLD = (Step(Colour.GOOD), Step(Colour.WATCH, 3600), Step(Colour.BAD, 6 * 3600))
"""Seconds. A greylisted message waits for some minutes, a message after an hour has failed several times."""

VERDICTS = {
    "grows": Colour.BAD,
    "stays": Colour.WATCH,
    "drains": Colour.GOOD,
    "empty": Colour.GOOD,
    "too early to say": Colour.PLAIN,
}
TO_BOUNCES = to_board(Board.BOUNCES, "Bounces & deferrals: why mail waits")


def build(settings: Settings) -> Json:
    """Return the dashboard, normalised."""
    rows = [
        Row(_now()),
        Row([queue_now(50)], NOW, 500, collapsed=True),
        Row([_drain(), _in_and_out()], "Will it drain by itself?", 100),
        Row([_by_zone(), _oldest(), _by_state()], "By zone", 200),
        Row([_domains_over_time(), _domains()], "By destination", 300),
        Row([_attempts(), _retried()], "Retries", 400),
    ]
    return dashboard(PAGE, rows, settings)


def _number(number: int, title: str, description: str, expr: str, scale: Scale) -> Json:
    """Return a stat panel with one number, evaluated at the end of the range."""
    card = Card(id=number, title=title, description=description, width=4, height=4)
    return stat(card, [PromQL(expr, title, instant=True)], scale, course=False)


def _now() -> list[Json]:
    return [*_waiting(), *_moving()]


def _waiting() -> list[Json]:
    return [
        _number(
            1,
            "Waiting",
            "Recipients in the queue. The number alone is neither good nor bad: see below whether it grows.",
            f"sum(duckwatch_queue_messages{{{HERE}}}) or 0 * {COUNTED_AT}",
            Scale(Unit.COUNT, empty=NOT_FOLLOWED),
        ),
        _number(
            2,
            "Waiting for a retry",
            "Recipients that another server deferred. If most of the queue is deferred, receivers make us wait: "
            "see Bounces & deferrals. If most of it is not, ZoneMTA cannot send fast enough: see MTA itself.",
            f'sum(duckwatch_queue_messages{{{HERE}, state="deferred"}}) or 0 * {COUNTED_AT}',
            Scale(Unit.COUNT, empty=NOT_FOLLOWED),
        ),
        _number(
            3,
            "Oldest",
            "Age of the oldest message that waits. ZoneMTA gives up after about two days, and then the mail bounces.",
            f"max(duckwatch_queue_oldest_age_seconds{{{HERE}}}) or 0 * {COUNTED_AT}",
            Scale(Unit.SECONDS, OLD, empty=NOT_FOLLOWED),
        ),
    ]


def _moving() -> list[Json]:
    return [
        _number(
            4,
            "Arriving",
            "Recipients per second that come into the queue. If it is far above normal, a sender has a large run "
            "or an account is abused: see Tenants.",
            f"sum(rate(duckwatch_mail_recipients_queued_total{{{HERE}}}[$__rate_interval]))",
            Scale(Unit.PER_SECOND, empty="no mail"),
        ),
        _number(
            5,
            "Leaving",
            "Recipients per second that were delivered or bounced. If it is 0 while mail waits, nothing gets out: "
            "see whether ZoneMTA's sender processes run.",
            f"sum(rate(duckwatch_mail_delivery_seconds_count{{{HERE}}}[$__rate_interval])) "
            f"+ (sum(rate(duckwatch_mail_bounces_total{{{HERE}}}[$__rate_interval])) or vector(0))",
            Scale(Unit.PER_SECOND, empty="no mail"),
        ),
        _number(
            6,
            "Counted",
            "Time since the queue was last counted. If it grows, this page is out of date: "
            "see duckwatch itself, Jobs and Change streams.",
            f"time() - {COUNTED_AT}",
            Scale(Unit.SECONDS, LATE, empty=NOT_FOLLOWED),
        ),
    ]


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
            width=14,
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
                "Recipients per bin. Left: delivered, bounced, dropped or deleted. While more arrive than leave, "
                "the queue grows. From the events, so it works without MongoDB; bounce messages are in neither."
            ),
            width=10,
            height=9,
        ),
        [Sql("queue/in_and_out")],
        Scale(Unit.COUNT),
        overrides=[coloured("arrived", Colour.OTHER), coloured("left", Colour.GOOD)],
    )


def _by_zone() -> Json:
    return timeseries(
        Card(
            id=20,
            title="Waiting by zone",
            description=(
                "Recipients in the newest snapshot of each bin. A gap: the whole queue was empty, or was not counted. "
                "If one zone grows and the others do not, look at its sending addresses in Reputation."
            ),
            width=8,
            height=9,
            links=(to_board(Board.REPUTATION, "Reputation"),),
            empty=NOT_FOLLOWED_YET,
        ),
        [Sql("queue/by_zone")],
        Scale(Unit.COUNT),
        style=Style.AREAS,
    )


def _oldest() -> Json:
    return timeseries(
        Card(
            id=21,
            title="Oldest by zone",
            description=(
                "Age of the oldest message. A line that rises as the clock does is one message that never gets out: "
                "the table of destinations shows for whom."
            ),
            width=8,
            height=9,
            empty=NOT_FOLLOWED_YET,
        ),
        [Sql("queue/oldest")],
        Scale(Unit.SECONDS),
    )


def _by_state() -> Json:
    return timeseries(
        Card(
            id=22,
            title="Waiting by state",
            description=(
                "`deferred` waits for its next attempt, `queued` for its first one. "
                "If `queued` grows, ZoneMTA is the limit; if `deferred` grows, the receivers are."
            ),
            width=8,
            height=9,
            links=(TO_BOUNCES,),
            empty=NOT_FOLLOWED_YET,
        ),
        [Sql("queue/by_state")],
        Scale(Unit.COUNT),
        style=Style.AREAS,
        overrides=[coloured("deferred", Colour.WATCH), coloured("queued", Colour.OTHER)],
    )


def _domains_over_time() -> Json:
    return timeseries(
        Card(
            id=30,
            title="Ten largest destinations",
            description=(
                "Recipients that wait, by recipient domain. One destination that grows alone refuses or is down; "
                "all together point to us. The collector counts the 50 largest, once a minute."
            ),
            width=11,
            height=10,
            links=(TO_BOUNCES,),
            empty=NOT_FOLLOWED_YET,
        ),
        [Sql("queue/domains_over_time")],
        Scale(Unit.COUNT),
    )


def _domains() -> Json:
    return table(
        Card(
            id=31,
            title="Destinations",
            description=(
                "As of the end of the range. `In an hour` is the change since an hour before; a destination that was "
                "not among the 50 largest then counts as 0. If a large one grows, see why it defers."
            ),
            width=13,
            height=10,
            links=(TO_BOUNCES,),
            empty=NOT_FOLLOWED_YET,
        ),
        [Sql("queue/domains", table=True)],
        overrides=[
            column("domain", "Destination", None),
            column("waiting", "Waiting", 100, unit=Unit.COUNT),
            column("deferred", "Deferred", 100, unit=Unit.COUNT),
            column("oldest", "Oldest", 110, unit=Unit.SECONDS, thresholds=OLD),
            column("change", "In an hour", 110, unit=Unit.COUNT, empty="-"),
        ],
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
            column("next", "Next attempt", 130, unit=Unit.AGO),
            column("reason", "Reason", 130),
            column("pattern", "Newest reply", None),
        ],
    )
