"""The row on top: how much was refused, in which class, and what each class means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import coloured, value
from grafana.fields import TOO_LITTLE, Card, Colour, Scale, Step, Unit
from grafana.links import DashboardUid, in_text, to_dashboard
from grafana.more_panels import text
from grafana.panels import Style, stat, timeseries
from grafana.targets import PromQL, Sql

if TYPE_CHECKING:
    from grafana.fields import Json

CLASS_COLOURS = {
    "hard": Colour.BAD,
    "expired": Colour.WATCH,
    "block": Colour.THIRD,
    "other": Colour.FAINT,
    "soft": Colour.OTHER,
}
"""The outcome classes of bounces (docs/events.md, section 3)."""

CHOSEN = 'mail_cluster=~"$cluster",provider=~"$provider"'

UNEXPLAINED = (Step(Colour.PLAIN), Step(Colour.WATCH, 0.1))
BOUNCED = (Step(Colour.GOOD), Step(Colour.WATCH, 0.05), Step(Colour.BAD, 0.1))

WHAT_TO_DO = """\
- **hard**: no such mailbox or domain. Take it off the list.
- **block**: they refuse *us*. Look at reputation, authentication, rates.
- **expired**: ZoneMTA gave up. Look at the route and the other end.
- **soft**: a full mailbox, a size. Wait.
- **other**: no reason found. Read the reply below.

A *deferral* waits: ZoneMTA tries again.
"""


def classes() -> list[Json]:
    """Return the row's panels."""
    return [_totals(), _classes(), _what_to_do()]


def _totals() -> Json:
    return stat(
        Card(
            id=1,
            title="In this time",
            description=(
                "Finished are recipients that were delivered or bounced; deferred are attempts. Shares of fewer than "
                "100 have no colour. Many bounces: look at the classes beside it. Many replies without a reason: read "
                "them below, and report those that should have one."
            ),
            width=5,
            height=11,
        ),
        [Sql("bounces/totals", table=True)],
        Scale(Unit.COUNT),
        named=True,
        course=False,
        overrides=[
            value("finished", "Finished", unit=Unit.COUNT),
            value("bounced", "Bounced", unit=Unit.COUNT),
            value("bounced_share", "Bounced of finished", unit=Unit.RATIO, thresholds=BOUNCED, empty=TOO_LITTLE),
            value("deferred", "Deferred attempts", unit=Unit.COUNT),
            value(
                "unexplained_share",
                "Replies without a reason",
                unit=Unit.RATIO,
                thresholds=UNEXPLAINED,
                empty=TOO_LITTLE,
            ),
        ],
    )


def _classes() -> Json:
    return timeseries(
        Card(
            id=2,
            title="Bounces by class, per hour",
            description=(
                "The class says how to act (see beside). A step in `block` is about us: see Reputation for the "
                "address, the replies below for the words. A step in `hard` is a bad list of recipients."
            ),
            width=12,
            height=11,
            links=(to_dashboard(DashboardUid.REPUTATION, "Listings"), to_dashboard(DashboardUid.DELIVERY, "Delivery")),
        ),
        [
            PromQL(
                f'3600 * sum(rate(duckwatch_mail_outcomes_total{{{CHOSEN},class="{name}"}}[$__rate_interval]))',
                name,
                ref=chr(ord("A") + index),
            )
            for index, name in enumerate(CLASS_COLOURS)
        ],
        Scale(Unit.COUNT),
        style=Style.AREAS,
        overrides=[coloured(name, colour) for name, colour in CLASS_COLOURS.items()],
    )


def _what_to_do() -> Json:
    return text(
        Card(
            id=3,
            title="What to do",
            description="What each class of bounces means, and where to look next.",
            width=7,
            height=11,
        ),
        f"{WHAT_TO_DO}\nWhere next: {in_text(DashboardUid.DELIVERY, 'Delivery')}, "
        f"{in_text(DashboardUid.REPUTATION, 'Reputation')}, {in_text(DashboardUid.QUEUE, 'Queue')}, "
        f"{in_text(DashboardUid.TRACE, 'Message trace')}.",
    )
