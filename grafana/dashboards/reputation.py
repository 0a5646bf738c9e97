"""*Reputation*: which addresses and domains are on which lists, since when, whether mail fails because of it,
and whether the lists' answers can be trusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.annotations import DNSBL_RELOADS, LISTINGS
from grafana.columns import column, hidden
from grafana.fields import (
    Card,
    Colour,
    Scale,
    State,
    Step,
    Unit,
)
from grafana.layout import Row
from grafana.links import Board, to_web
from grafana.more_panels import text
from grafana.pages import Page, dashboard
from grafana.panels import Style, stat, state_timeline, table, timeseries
from grafana.targets import PromQL, Sql

if TYPE_CHECKING:
    from grafana.fields import Json
    from grafana.settings import Settings

PAGE = Page(
    board=Board.REPUTATION,
    title="Mail reputation",
    description=(
        "DNS blocklists: what they say of our addresses and domains, what that costs, and how the lists themselves are."
    ),
    start="now-24h",
    annotations=(
        LISTINGS,
        DNSBL_RELOADS,
    ),
)

STANDINGS = {"listed": Colour.BAD, "unknown": Colour.WATCH, "clean": Colour.GOOD, "delisted": Colour.GOOD}

STANDING = (State(0, "clean", Colour.GOOD), State(1, "listed", Colour.BAD), State(2, "unknown", Colour.WATCH))
"""The numbers of queries/reputation/states.sql."""

HEALTH = (
    State(0, "healthy", Colour.GOOD),
    State(1, "unknown", Colour.WATCH),
    State(2, "refused", Colour.WATCH),
    State(3, "unhealthy", Colour.BAD),
)
HEALTH_NUMBER = (
    'min by (list) (sum without (state) (3 * duckwatch_dnsbl_list_state{state="unhealthy"} '
    'or 2 * duckwatch_dnsbl_list_state{state="refused"} or '
    'duckwatch_dnsbl_list_state{state!~"healthy|unhealthy|refused"}))'
)
"""The numbers of HEALTH. Of several exporters the one counts that the list answers best."""


REFUSED = (Step(Colour.GOOD), Step(Colour.WATCH, 0.01), Step(Colour.BAD, 0.1))

LOOKUP = to_web("The list's page on this address", '${__data.fields["lookup"]}')
"""The whole URL comes from queries/reputation/lookup.sql, which puts nothing but addresses into known URLs."""

ELSEWHERE = (
    ("Google Postmaster Tools", "https://postmaster.google.com/", "complaints, authentication, errors by domain"),
    ("Microsoft SNDS", "https://sendersupport.olc.protection.outlook.com/snds/", "share of spam verdicts by address"),
    ("Yahoo Sender Hub", "https://senders.yahooinc.com/", "complaints by domain"),
)


def build(settings: Settings) -> Json:
    """Return the dashboard, normalised."""
    listings = [_listed(), _unhealthy(), _oldest_check(), _states(), _current(), _changes()]
    mail = [_enforced(), _failures(), _by_address()]
    lists = [_health(), _check_ages(), _verdicts(), _latency()]
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


def _listed() -> Json:
    return stat(
        Card(
            id=1,
            title="Listings",
            description=(
                "Pairs of a target and a list at which it stands now; what a list refuses to tell, or fails to, "
                "counts as it stood for three intervals."
            ),
            width=4,
            height=8,
        ),
        # As of now, like the two beside it: over a day, the last of a range's points may be five minutes old,
        # over a month two hours.
        [PromQL("sum(max by (target, list) (duckwatch_dnsbl_listed))", "Listings", instant=True)],
        Scale(Unit.COUNT, (Step(Colour.GOOD), Step(Colour.BAD, 1))),
    )


def _unhealthy() -> Json:
    return stat(
        Card(
            id=2,
            title="Lists at fault",
            description=(
                "Unhealthy: lists that answer their test points wrongly or not at all. Refused: "
                "lists that refuse every question; use a resolver of your own, or register with them."
            ),
            width=4,
            height=8,
        ),
        [
            PromQL(f"count({HEALTH_NUMBER} == 3) or vector(0)", "Unhealthy", instant=True),
            PromQL(f"count({HEALTH_NUMBER} == 2) or vector(0)", "Refused", ref="B", instant=True),
        ],
        Scale(Unit.COUNT, (Step(Colour.GOOD), Step(Colour.WATCH, 1))),
    )


def _oldest_check() -> Json:
    return stat(
        Card(
            id=3,
            title="Most silent list",
            description="How long ago the list that has been silent for longest last gave a real verdict.",
            width=4,
            height=8,
        ),
        [
            PromQL(
                "time() - min(max by (list) (duckwatch_dnsbl_last_check_timestamp_seconds))",
                "Most silent list",
                instant=True,
            )
        ],
        # Three intervals of five minutes: then what stood is let go.
        Scale(Unit.SECONDS, (Step(Colour.GOOD), Step(Colour.WATCH, 600), Step(Colour.BAD, 900))),
    )


def _states() -> Json:
    return state_timeline(
        Card(
            id=4,
            title="Listed and delisted",
            description=(
                "Each target and list with a listing in the range, at most the newest 40. Unknown: "
                "neither verdict is claimed any more."
            ),
            width=12,
            height=8,
        ),
        [Sql("reputation/states")],
        STANDING,
    )


def _current() -> Json:
    return table(
        Card(
            id=5,
            title="What the lists say now",
            description=(
                "The newest result of each target and list, listings first, whatever the range. "
                "A target that is no longer checked keeps its last row."
            ),
            width=24,
            height=9,
        ),
        [Sql("reputation/current", table=True)],
        overrides=[
            column("target", "Target", 140),
            column("name", "Host name", 110),
            column("list", "List", 155),
            column("standing", "Standing", 105, words=STANDINGS),
            column("severity", "Severity", 100),
            column("since", "Since", 145, unit=Unit.AGO),
            column("verdict", "Last verdict", 120),
            column("meaning", "Meaning", 145),
            column("reason", "The list's words", None),
            column("changed", "Changed", 145, unit=Unit.AGO),
        ],
    )


def _changes() -> Json:
    return table(
        Card(
            id=6,
            title="Listings and delistings",
            description="The newest 100 in the range. A failed or refused check between two verdicts is no change.",
            width=24,
            height=8,
        ),
        [Sql("reputation/changes", table=True)],
        overrides=[
            column("time", "Time", 170, unit=Unit.AT),
            column("target", "Target", 140),
            column("name", "Host name", 110),
            column("list", "List", 155),
            column("change", "Change", 100, words=STANDINGS),
            column("severity", "Severity", 100),
            column("meaning", "Meaning", 145),
            column("reason", "The list's words", None),
        ],
    )


def _enforced() -> Json:
    return table(
        Card(
            id=21,
            title="Listed addresses and their mail",
            description=(
                "Each listing of an address that stands now, beside the attempts of that address in the range: "
                "delivered, deferred and bounced ones. Refused: those deferred or bounced for reputation. "
                "Red: the listing costs mail, so look the address up and ask the list to remove it. "
                "Green: no provider seems to enforce it; find the cause before one does. "
                "A dot: fewer than 100 attempts, too little mail to judge. "
                "Complaints: the recipients reported mail of this address as spam, so look for its sender on Tenants."
            ),
            width=24,
            height=8,
        ),
        [Sql("reputation/enforced", table=True)],
        overrides=[
            column("address", "Address", 170),
            column("list", "List", None),
            column("since", "Listed since", 145, unit=Unit.AGO),
            column("page", "Lookup", 100, links=[LOOKUP]),
            column("attempts", "Attempts", 110, unit=Unit.COUNT),
            column("refused", "Refused", 110, unit=Unit.COUNT),
            column("refused_share", "Share refused", 130, unit=Unit.RATIO, decimals=1, thresholds=REFUSED, empty="·"),
            column("complaints", "Complaints", 115, unit=Unit.COUNT),
            hidden("lookup"),
        ],
    )


def _failures() -> Json:
    return timeseries(
        Card(
            id=7,
            title="Refused for reputation, by sending address",
            description=(
                "Recipients bounced and attempts deferred per bin because of the sender's reputation. "
                "Set it beside the listings of the same address."
            ),
            width=24,
            height=8,
        ),
        [Sql("reputation/failures")],
        Scale(Unit.COUNT),
        style=Style.BARS,
    )


def _by_address() -> Json:
    return table(
        Card(
            id=8,
            title="Sending addresses that are refused",
            description=(
                "Bounces and deferrals for reputation in the range, and the lists on which the address stands now. "
                "None: the provider has a list of its own."
            ),
            width=24,
            height=8,
        ),
        [Sql("reputation/by_address", table=True)],
        overrides=[
            column("address", "Address", 170),
            column("bounced", "Bounced", 100, unit=Unit.COUNT),
            column("deferred", "Deferred", 100, unit=Unit.COUNT),
            column("providers", "By providers", 220),
            column("newest", "Newest", 145, unit=Unit.AGO),
            column("lists", "Listed at", None),
            column("since", "Since", 145, unit=Unit.AGO),
        ],
    )


def _health() -> Json:
    return state_timeline(
        Card(
            id=9,
            title="List health",
            description=(
                "Whether each list answers its test points as RFC 5782 asks. While it does not, "
                "its verdicts are withheld. Refused: the list does not answer your resolver."
            ),
            width=12,
            height=8,
        ),
        [PromQL(HEALTH_NUMBER, "{{list}}")],
        HEALTH,
    )


def _check_ages() -> Json:
    return timeseries(
        Card(
            id=10,
            title="Age of the last check",
            description=(
                "Since when each list has given no real verdict. It should stay below the interval of the checks."
            ),
            width=12,
            height=8,
        ),
        [PromQL("time() - max by (list) (duckwatch_dnsbl_last_check_timestamp_seconds)", "{{list}}")],
        Scale(Unit.SECONDS),
    )


def _verdicts() -> Json:
    return timeseries(
        Card(
            id=11,
            title="Verdicts",
            description="Checks ended per second, by what they came to. Refused and error say nothing of a target.",
            width=12,
            height=8,
        ),
        [PromQL("sum by (verdict) (rate(duckwatch_dnsbl_verdicts_total[$__rate_interval]))", "{{verdict}}")],
        Scale(Unit.PER_SECOND),
    )


def _latency() -> Json:
    return timeseries(
        Card(
            id=12,
            title="Time to answer, by list",
            description="From a query to its answer: all but a twentieth are quicker (p95).",
            width=12,
            height=8,
        ),
        [PromQL.quantile(0.95, "duckwatch_dnsbl_query_seconds", "{{list}}", by="list")],
        Scale(Unit.SECONDS),
    )
