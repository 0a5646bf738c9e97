"""*Tenants*: the outcomes of each sending domain's mail, and which domain harms the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.alerts import alert_marks
from grafana.columns import coloured, column, value
from grafana.dashboards._live import NOW, tenant_now, top_domains
from grafana.fields import TOO_LITTLE, Card, Colour, Scale, Step, Unit
from grafana.layout import Row
from grafana.links import OF_SERIES, DashboardUid, of_column, to_dashboard
from grafana.more_panels import text
from grafana.pages import Page, dashboard
from grafana.panels import Style, stat, table, timeseries
from grafana.targets import PromQL, Sql
from grafana.variables import CHOICES, QueryVariable

if TYPE_CHECKING:
    from grafana.fields import Json
    from grafana.settings import Settings

PAGE = Page(
    uid=DashboardUid.TENANTS,
    title="Tenants",
    description="What became of the mail of each sending domain. A tenant is a filter, not a security boundary.",
    variables=(*CHOICES, QueryVariable("tenant", "Sending domain", "tenants/domains_to_choose", several=False)),
    start="now-24h",
    refresh="1m",
    annotations=alert_marks("delivery"),
)

FAILED = (Step(Colour.GOOD), Step(Colour.WATCH, 0.05), Step(Colour.BAD, 0.1))
"""From a tenth on, DuckwatchHardBounceRatioHigh fires for a zone; here it is coloured for a domain."""

ONLY_THIS = to_dashboard(DashboardUid.TENANTS, "Only this domain", values={"tenant": of_column("domain")})
OF_LINE = to_dashboard(DashboardUid.TENANTS, "Only this domain", values={"tenant": OF_SERIES})
TO_BOUNCES = to_dashboard(DashboardUid.BOUNCES, "Bounces & deferrals")


def build(settings: Settings) -> Json:
    """Return the dashboard, normalised."""
    rows = [
        Row([_boundary(), _totals(), _late()]),
        Row([_domains()], "By sending domain", 100),
        Row([tenant_now(40), top_domains(41)], f"{NOW}, of watched domains only", 400, collapsed=True),
        Row([_outcomes(), _bounces(), _deferrals()], "Over time", 200),
        Row([_providers(), _reasons()], "By provider and reason", 300),
    ]
    return dashboard(PAGE, rows, settings)


def _boundary() -> Json:
    return text(
        Card(
            id=1,
            title="A filter, not a security boundary",
            description="Do not hand this dashboard to a tenant.",
            width=6,
            height=5,
        ),
        "Every viewer of this Grafana can read the mail of every sending domain, whatever is chosen above. "
        "Give a tenant an organisation and a database of its own, or a report.",
    )


def _totals() -> Json:
    return stat(
        Card(
            id=2,
            title="In the range",
            description=(
                "Messages sent; recipients delivered and bounced; deferred attempts; and the bounced share of the "
                "recipients whose mail has ended. Messages and recipients are not divided by each other. "
                "If the share is red, choose the domain below that is on top, and see its reasons."
            ),
            width=14,
            height=5,
        ),
        [Sql("tenants/totals", table=True)],
        Scale(Unit.COUNT),
        named=True,
        course=False,
        overrides=[
            value("sent", "Messages sent", unit=Unit.COUNT),
            value("delivered", "Recipients delivered", unit=Unit.COUNT),
            value("bounced", "Recipients bounced", unit=Unit.COUNT),
            value("deferred", "Attempts deferred", unit=Unit.COUNT),
            value("failed_share", "Bounced of ended", unit=Unit.RATIO, thresholds=FAILED, empty=TOO_LITTLE),
        ],
    )


def _late() -> Json:
    return stat(
        Card(
            id=3,
            title="Late by",
            description=(
                "Time since the roll-ups were last brought up to date; all numbers here come from them. "
                "If it grows, see duckwatch itself: the job `roll_up` fails, or no collector runs."
            ),
            width=4,
            height=5,
            empty="no roll-up was built yet",
        ),
        [PromQL('time() - max(duckwatch_job_last_success_timestamp_seconds{task="roll_up"})', "Late by", instant=True)],
        Scale(Unit.SECONDS, (Step(Colour.GOOD), Step(Colour.WATCH, 300), Step(Colour.BAD, 900))),
        course=False,
    )


def _domains() -> Json:
    return table(
        Card(
            id=10,
            title="Sending domains",
            description=(
                "The 500 with the most bounces first. `Ended` is delivered and bounced, the denominator of the share. "
                "A domain with many unknown recipients sends to an old list: ask its owner to clean it, or hold its "
                "mail back before its refusals harm the addresses that all share. "
                "`none`: the message named no sender. Click a domain to see it alone."
            ),
            width=24,
            height=12,
            links=(TO_BOUNCES,),
        ),
        [Sql("tenants/domains", table=True)],
        overrides=[
            column("domain", "Sending domain", None, links=[ONLY_THIS]),
            column("sent", "Messages", 110, unit=Unit.COUNT),
            column("delivered", "Delivered", 110, unit=Unit.COUNT),
            column("deferred", "Deferred attempts", 170, unit=Unit.COUNT),
            column("bounced", "Bounced", 110, unit=Unit.COUNT),
            column("ended", "Ended", 110, unit=Unit.COUNT),
            column(
                "failed_share",
                "Bounced of ended",
                200,
                unit=Unit.RATIO,
                thresholds=FAILED,
                empty=TOO_LITTLE,
            ),
        ],
    )


def _outcomes() -> Json:
    return timeseries(
        Card(
            id=20,
            title="Delivery attempts by outcome",
            description=(
                "Recipients per bin; deferred counts each attempt. If bounces begin at one moment for one domain only, "
                "that domain changed something; if for all, we or a provider did: see Delivery."
            ),
            width=8,
            height=9,
            links=(to_dashboard(DashboardUid.DELIVERY, "Delivery"),),
        ),
        [Sql("tenants/outcomes")],
        Scale(Unit.COUNT),
        style=Style.BARS,
        overrides=[
            coloured("delivered", Colour.GOOD),
            coloured("deferred", Colour.WATCH),
            coloured("bounced", Colour.BAD),
        ],
    )


def _bounces() -> Json:
    return timeseries(
        Card(
            id=21,
            title="Bounces of ten domains",
            description=(
                "Bounced recipients per bin of the domains with the most in the range. "
                "One tall bar of one domain is a run to a bad list. Click a bar to see the domain alone."
            ),
            width=8,
            height=9,
        ),
        [Sql("tenants/bounces_by_domain")],
        Scale(Unit.COUNT),
        style=Style.BARS,
        links=[OF_LINE],
    )


def _deferrals() -> Json:
    return timeseries(
        Card(
            id=22,
            title="Deferrals of ten domains",
            description=(
                "Deferred attempts per bin of the domains with the most in the range. "
                "If one domain is rate limited, it delays the others in its zone: give it a zone of its own."
            ),
            width=8,
            height=9,
        ),
        [Sql("tenants/deferrals_by_domain")],
        Scale(Unit.COUNT),
        style=Style.BARS,
        links=[OF_LINE],
    )


def _providers() -> Json:
    return table(
        Card(
            id=30,
            title="Providers",
            description=(
                "What each mailbox provider did with the mail of the chosen domain. If one provider alone refuses, "
                "it judges this domain: see its authentication and the provider's own tools. "
                "`none`: no server was reached, or the provider is not a known one."
            ),
            width=14,
            height=9,
            links=(TO_BOUNCES,),
        ),
        [Sql("tenants/providers", table=True)],
        overrides=[
            column("provider", "Provider", None),
            column("delivered", "Delivered", 100, unit=Unit.COUNT),
            column("deferred", "Deferred", 100, unit=Unit.COUNT),
            column("bounced", "Bounced", 100, unit=Unit.COUNT),
            column("ended", "Ended", 100, unit=Unit.COUNT),
            column("failed_share", "Bounced of ended", 190, unit=Unit.RATIO, thresholds=FAILED, empty=TOO_LITTLE),
        ],
    )


def _reasons() -> Json:
    return table(
        Card(
            id=31,
            title="Reasons",
            description=(
                "Why the mail of the chosen domain was deferred or bounced, the most frequent first. "
                "`unknown_user` is the domain's list, `reputation` and `policy` are how it sends. "
                "Domains: how many sending domains have this reason; if it is most of them, the cause is ours."
            ),
            width=10,
            height=9,
            links=(TO_BOUNCES,),
        ),
        [Sql("tenants/reasons", table=True)],
        overrides=[
            column("action", "Outcome", 100, words={"bounced": Colour.BAD, "deferred": Colour.WATCH}),
            column("reason", "Reason", None),
            column("recipients", "Count", 100, unit=Unit.COUNT),
            column("domains", "Domains", 100, unit=Unit.COUNT),
        ],
    )
