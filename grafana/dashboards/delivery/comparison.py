"""What is delivered, what fails and how long mail waits, against yesterday and a week ago."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import dashed
from grafana.fields import Card, Colour, Scale, Unit
from grafana.links import DashboardUid, to_dashboard
from grafana.panels import timeseries
from grafana.targets import Sql

if TYPE_CHECKING:
    from grafana.fields import Json

EARLIER = (dashed("yesterday"), dashed("a week ago", Colour.OTHER))


def compared() -> Json:
    """Return the chart of delivered recipients."""
    return timeseries(
        Card(
            id=7,
            title="Delivered",
            description=(
                "Recipients per bin, beside the same hours 24 hours and 7 days before (dashed). "
                "The last bin is not over yet. "
                "Less than both: less came in, or less gets out; Overview tells which."
            ),
            width=8,
            height=9,
            links=(to_dashboard(DashboardUid.OVERVIEW, "Overview"),),
        ),
        [Sql("delivery/compared")],
        Scale(Unit.COUNT),
        overrides=EARLIER,
    )


def compared_failed() -> Json:
    """Return the chart of failed attempts."""
    return timeseries(
        Card(
            id=8,
            title="Deferred and bounced",
            description=(
                "Attempts per bin that failed, beside the same hours 24 hours and 7 days before (dashed). "
                "The last bin is not over yet. "
                "More than both, while the same is delivered: something is new; look at what they say."
            ),
            width=8,
            height=9,
            links=(to_dashboard(DashboardUid.BOUNCES, "What they say"),),
        ),
        [Sql("delivery/compared_failed")],
        Scale(Unit.COUNT),
        overrides=EARLIER,
    )


def compared_waits() -> Json:
    """Return the chart of the time in the queue."""
    return timeseries(
        Card(
            id=9,
            title="Waited until delivered, p95",
            description=(
                "All but a twentieth of the delivered mail had waited less than this, beside the same hours 24 hours "
                "and 7 days before (dashed). Above both: mail is slow today."
            ),
            width=8,
            height=9,
        ),
        [Sql("delivery/compared_latency")],
        Scale(Unit.SECONDS),
        log=True,
        overrides=EARLIER,
    )
