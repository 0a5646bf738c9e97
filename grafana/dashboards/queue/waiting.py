"""What waits, by zone and by destination."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import coloured, column
from grafana.dashboards.queue.now import OLD, TO_BOUNCES
from grafana.fields import Card, Colour, Scale, Unit
from grafana.links import DashboardUid, to_dashboard
from grafana.panels import Style, table, timeseries
from grafana.targets import Sql

if TYPE_CHECKING:
    from grafana.fields import Json

NOT_FOLLOWED_YET = "the queue is empty, or not followed: see docs/backup-sources.md"


def by_zone() -> Json:
    """Return the chart of what waits, by zone."""
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
            links=(to_dashboard(DashboardUid.REPUTATION, "Reputation"),),
            empty=NOT_FOLLOWED_YET,
        ),
        [Sql("queue/by_zone")],
        Scale(Unit.COUNT),
        style=Style.AREAS,
    )


def oldest() -> Json:
    """Return the chart of the oldest message's age."""
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


def by_state() -> Json:
    """Return the chart of what waits, by state."""
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


def domains_over_time() -> Json:
    """Return the chart of what waits, by domain."""
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


def domains() -> Json:
    """Return the table of domains."""
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
