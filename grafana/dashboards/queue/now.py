"""The row of numbers on top: what waits now, and whether it moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.fields import Card, Colour, Scale, Step, Unit
from grafana.links import DashboardUid, to_dashboard
from grafana.panels import stat
from grafana.targets import PromQL

if TYPE_CHECKING:
    from grafana.fields import Json

HERE = 'mail_cluster=~"$cluster"'
NOT_FOLLOWED = "the queue is not followed"
COUNTED_AT = 'max(duckwatch_job_last_success_timestamp_seconds{task="queue_state"})'
LATE = (Step(Colour.GOOD), Step(Colour.WATCH, 60), Step(Colour.BAD, 300))
"""Seconds. The queue is counted every 15 seconds."""
OLD = (Step(Colour.GOOD), Step(Colour.WATCH, 3600), Step(Colour.BAD, 6 * 3600))
"""Seconds. A greylisted message waits for some minutes, a message after an hour has failed several times."""
TO_BOUNCES = to_dashboard(DashboardUid.BOUNCES, "Bounces & deferrals: why mail waits")


def _number(number: int, title: str, description: str, expr: str, scale: Scale) -> Json:
    """Return a stat panel with one number, evaluated at the end of the range."""
    card = Card(id=number, title=title, description=description, width=4, height=4)
    return stat(card, [PromQL(expr, title, instant=True)], scale, course=False)


def now() -> list[Json]:
    """Return the row's panels."""
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
            "Recipients per second that come into the queue, lately; over 30 days the mean of the last hours. If it is "
            "far above normal, a sender has a large run or an account is abused: see Tenants.",
            f"sum(rate(duckwatch_mail_recipients_queued_total{{{HERE}}}[$__rate_interval]))",
            Scale(Unit.PER_SECOND, empty="no mail"),
        ),
        _number(
            5,
            "Leaving",
            "Recipients per second that were delivered or bounced, over the same time. If it is 0 while mail waits, "
            "nothing gets out: see whether ZoneMTA's sender processes run.",
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
