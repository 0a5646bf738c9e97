"""*Inbound & logins*: the mail that WildDuck stores, the mail that users mark as spam, and logins and failed logins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.alerts import alert_marks
from grafana.dashboards.inbound.charts import course
from grafana.dashboards.inbound.logins import (
    accounts,
    attacked,
    failed,
    failed_share,
    guessing,
    logins,
    logins_now,
    results,
    sources,
    suspects,
)
from grafana.dashboards.inbound.mail import inbound_now, senders, stored, verdicts
from grafana.fields import Unit
from grafana.layout import Row
from grafana.links import DashboardUid
from grafana.pages import Page, dashboard
from grafana.targets import PromQL

if TYPE_CHECKING:
    from grafana.fields import Json
    from grafana.settings import Settings

PAGE = Page(
    uid=DashboardUid.INBOUND,
    title="Inbound & logins",
    description=(
        "WildDuck: stored mail, the users' verdicts, logins and webhooks. "
        "Mail and logins need `collector.mongo` or GELF, verdicts and webhooks need WildDuck's webhooks."
    ),
    annotations=alert_marks("logins"),
)


def build(settings: Settings) -> Json:
    """Return the dashboard, normalised."""
    rows = [
        Row(_now()),
        Row([results(), failed(), suspects()], "Logins", 100),
        Row([sources(), logins(), accounts()], "Who logs in", 200),
        Row([stored(), verdicts(), senders()], "Inbound mail", 300),
        Row(_webhooks(), "Webhooks", 400),
    ]
    return dashboard(PAGE, rows, settings)


def _now() -> list[Json]:
    return [logins_now(), failed_share(), attacked(), guessing(), inbound_now()]


def _webhooks() -> list[Json]:
    return [
        course(
            40,
            "Webhooks taken",
            "Events of WildDuck's webhooks that were acknowledged, per second. If it falls to nothing, see whether "
            "WildDuck reaches the collector; it tries five times within 30 s, and then the event is lost.",
            [PromQL('sum(rate(duckwatch_ingest_events_total{source="wildduck"}[$__rate_interval]))', "taken")],
            Unit.PER_SECOND,
            width=12,
        ),
        course(
            41,
            "Webhooks rejected",
            "Events of webhooks that cannot be stored, per second, by reason. "
            "`duckwatch-collector dead-letters list` shows them.",
            [
                PromQL(
                    'sum by (reason) (rate(duckwatch_ingest_rejected_total{source="wildduck"}[$__rate_interval]))',
                    "{{reason}}",
                )
            ],
            Unit.PER_SECOND,
            width=12,
        ),
    ]
