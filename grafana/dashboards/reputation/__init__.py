"""*Reputation*: which addresses and domains are on which lists, since when, whether mail fails because of it,
and whether the lists' answers can be trusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.alerts import alert_marks
from grafana.annotations import DNSBL_RELOADS, LISTINGS
from grafana.dashboards.reputation.enforcement import by_address, enforced, failures
from grafana.dashboards.reputation.limits import check_ages, complaints, refusals_an_hour, refused_share
from grafana.dashboards.reputation.listings import changes, current, listed, oldest_check, states, unhealthy
from grafana.dashboards.reputation.lists import health, latency, verdicts
from grafana.fields import Card
from grafana.layout import Row
from grafana.links import DashboardUid, to_web
from grafana.more_panels import text
from grafana.pages import Page, dashboard

if TYPE_CHECKING:
    from grafana.fields import Json
    from grafana.settings import Settings

PAGE = Page(
    uid=DashboardUid.REPUTATION,
    title="Mail reputation",
    description=(
        "DNS blocklists: what they say of our addresses and domains, what that costs, and how the lists themselves are."
    ),
    start="now-24h",
    annotations=(
        LISTINGS,
        DNSBL_RELOADS,
        *alert_marks("reputation", "complaints"),
    ),
)

ELSEWHERE = (
    ("Google Postmaster Tools", "https://postmaster.google.com/", "complaints, authentication, errors by domain"),
    ("Microsoft SNDS", "https://sendersupport.olc.protection.outlook.com/snds/", "share of spam verdicts by address"),
    ("Yahoo Sender Hub", "https://senders.yahooinc.com/", "complaints by domain"),
)


def build(settings: Settings) -> Json:
    """Return the dashboard, normalised."""
    listings = [listed(), unhealthy(), oldest_check(), states(), current(), changes()]
    mail = [enforced(), refused_share(), refusals_an_hour(), failures(), by_address(), complaints()]
    lists = [health(), check_ages(), verdicts(), latency()]
    return dashboard(PAGE, [Row([_elsewhere(settings)]), Row(listings, "Listings", 100), *_rows(mail, lists)], settings)


def _rows(mail: list[Json], lists: list[Json]) -> list[Row]:
    return [Row(mail, "Is a listing enforced?", 101), Row(lists, "The lists themselves", 102)]


def _elsewhere(settings: Settings) -> Json:
    """Return the links to the pages on which large providers show what they know of an address or a domain."""
    pages = [f"[{name}]({url}) ({what})" for name, url, what in ELSEWHERE]
    return text(
        Card(
            id=20,
            title="What providers say themselves",
            description="They know complaints and spam shares that no reply tells.",
            width=24,
            height=3,
            links=tuple(to_web(name, url) for name, url, _ in ELSEWHERE),
        ),
        " · ".join([*pages, f"[Runbook: an address is listed]({settings.runbook('DuckwatchDnsblListed')})"]),
    )
