"""*Delivery*: which provider accepts our mail from which address, how quickly, and at which attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.alerts import alert_marks
from grafana.annotations import LISTINGS
from grafana.columns import value
from grafana.dashboards.delivery.comparison import compared, compared_failed, compared_waits
from grafana.dashboards.delivery.providers import (
    ATTEMPTS_DELIVERED,
    DEFERRED,
    attempts,
    first_share,
    pairs,
    shares,
    waits_by_attempt,
)
from grafana.dashboards.delivery.sessions import percentiles, sessions, tls
from grafana.fields import TOO_LITTLE, Card, Colour, Override, Scale, Step, Unit
from grafana.layout import Row
from grafana.links import DashboardUid
from grafana.pages import Page, dashboard
from grafana.panels import stat
from grafana.targets import Sql
from grafana.variables import CHOICES, QueryVariable

if TYPE_CHECKING:
    from grafana.fields import Json
    from grafana.settings import Settings

PAGE = Page(
    uid=DashboardUid.DELIVERY,
    title="Mail delivery",
    description="What providers do with our mail: by sending address, at the first attempt and later, and how quickly.",
    variables=(
        *CHOICES,
        QueryVariable("provider", "Provider", "shared/providers"),
        QueryVariable("zone", "Zone", "shared/zones"),
        QueryVariable("address", "Sending address", "shared/addresses"),
    ),
    start="now-24h",
    annotations=(LISTINGS, *alert_marks("delivery")),
)

RECIPIENTS_DELIVERED = (Step(Colour.BAD), Step(Colour.WATCH, 0.9), Step(Colour.GOOD, 0.95))
"""Of finished recipients: the counterpart of BOUNCED."""

ATTEMPT_UNKNOWN = "too little mail, or attempts unknown"


def build(settings: Settings) -> Json:
    """Return the dashboard, normalised."""
    rows = [
        Row([_totals()]),
        Row([shares(), pairs()], "Provider and sending address", 100),
        Row([first_share(), waits_by_attempt(), attempts()], "First attempts and later ones", 101),
        Row([compared(), compared_failed(), compared_waits()], "Against yesterday and a week ago", 102),
        Row([percentiles(), sessions(), tls()], "How quickly, and how safely", 103),
    ]
    return dashboard(PAGE, rows, settings)


def _totals() -> Json:
    return stat(
        Card(
            id=1,
            title="The range",
            description=(
                "Attempts and finished recipients (delivered or bounced) in the range, and the shares of them. "
                "First attempts delivered: it falls hours before bounces rise, since mail that is put off is tried "
                "again for two days. Fewer than 100: no colour. "
                "Mail without a sender (bounce messages) is left out."
            ),
            width=24,
            height=4,
        ),
        [Sql("delivery/totals", table=True)],
        Scale(Unit.COUNT),
        named=True,
        course=False,
        overrides=_values_of_totals(),
    )


def _values_of_totals() -> list[Override]:
    """Return the numbers of the range: each count before its share, and the times in the queue."""
    return [
        value("attempts", "Attempts", unit=Unit.COUNT),
        value("deferred_share", "Attempts deferred", unit=Unit.RATIO, thresholds=DEFERRED, empty=TOO_LITTLE),
        value("finished", "Finished recipients", unit=Unit.COUNT),
        value(
            "delivered_share",
            "Finished: delivered",
            unit=Unit.RATIO,
            thresholds=RECIPIENTS_DELIVERED,
            empty=TOO_LITTLE,
        ),
        value("first_attempts", "First attempts", unit=Unit.COUNT),
        value(
            "first_share",
            "First attempts delivered",
            unit=Unit.RATIO,
            thresholds=ATTEMPTS_DELIVERED,
            empty=ATTEMPT_UNKNOWN,
        ),
        value("p50", "Waited, p50", unit=Unit.SECONDS),
        value("p95", "Waited, p95", unit=Unit.SECONDS),
    ]
