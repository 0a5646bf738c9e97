"""*Bounces and deferrals*: what other servers refuse, why, since when, and whether the refusals are permanent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.alerts import alert_marks
from grafana.annotations import LISTINGS
from grafana.dashboards.bounces.classes import classes
from grafana.dashboards.bounces.reasons import reasons
from grafana.dashboards.bounces.replies import domains, replies
from grafana.layout import Row
from grafana.links import DashboardUid
from grafana.pages import Page, dashboard
from grafana.variables import CHOICES, QueryVariable

if TYPE_CHECKING:
    from grafana.fields import Json
    from grafana.settings import Settings

PAGE = Page(
    uid=DashboardUid.BOUNCES,
    title="Bounces and deferrals",
    description="What other servers refuse or put off, why, since when, and which domains take nothing at all.",
    variables=(*CHOICES, QueryVariable("provider", "Provider", "shared/providers")),
    start="now-24h",
    annotations=(LISTINGS, *alert_marks("delivery", "complaints")),
)


def build(settings: Settings) -> Json:
    """Return the dashboard, normalised."""
    rows = [
        Row(classes()),
        Row(reasons(), "Reasons", 100),
        Row(replies(), "Replies", 200),
        Row([domains()], "Domains that refuse everything", 300),
    ]
    return dashboard(PAGE, rows, settings)
