"""*MTA itself*: the metrics of ZoneMTA and WildDuck, beside duckwatch's metrics of their mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.alerts import alert_marks
from grafana.dashboards.mta.wildduck import messages, services_and_requests
from grafana.dashboards.mta.zonemta import zonemta
from grafana.fields import Card
from grafana.layout import Row
from grafana.links import DashboardUid
from grafana.more_panels import text
from grafana.pages import Page, dashboard
from grafana.variables import SOURCES, LabelVariable

if TYPE_CHECKING:
    from grafana.fields import Json
    from grafana.settings import Settings

PAGE = Page(
    uid=DashboardUid.MTA,
    title="MTA itself",
    description="ZoneMTA's and WildDuck's own metrics, where Prometheus scrapes them: processes, queues, requests.",
    variables=(
        SOURCES[1],
        LabelVariable("zonemta", "ZoneMTA", "zonemta_queue_size", "instance"),
        LabelVariable("wildduck", "WildDuck", "wildduck_info", "instance"),
    ),
    annotations=alert_marks("mta", clusters=False),
)


def build(settings: Settings) -> Json:
    """Return the dashboard, normalised."""
    rows = [
        Row([_sources()]),
        Row(zonemta(), "ZoneMTA", 100),
        Row(services_and_requests(), "WildDuck: services and requests", 200),
        Row(messages(), "WildDuck: messages and background work", 300),
    ]
    return dashboard(PAGE, rows, settings)


def _sources() -> Json:
    return text(
        Card(
            id=1,
            title="Where these numbers come from",
            description="Where Prometheus does not scrape a program, its panels say so.",
            width=24,
            height=3,
        ),
        "ZoneMTA shows its metrics on its API server (`/metrics`, port 12080), WildDuck from 1.49.6 on "
        "with `[metrics] enabled=true`. "
        "They count from the program's start and know no recipient, provider or reply: "
        "for those use the dashboards of duckwatch.",
    )
