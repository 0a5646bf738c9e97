"""What the lists say of our addresses and domains, now and in the range."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import column, hidden
from grafana.dashboards.reputation.lists import HEALTH_NUMBER, LOOKUP
from grafana.fields import Card, Colour, Scale, State, Step, Unit
from grafana.panels import stat, state_timeline, table
from grafana.targets import PromQL, Sql

if TYPE_CHECKING:
    from grafana.fields import Json

STANDINGS = {"listed": Colour.BAD, "unknown": Colour.WATCH, "clean": Colour.GOOD, "delisted": Colour.GOOD}

NO_EXPORTER = "no DNSBL exporter is scraped"

STANDING = (
    State(0, "clean", Colour.GOOD),
    State(1, "listed", Colour.BAD),
    State(2, "unknown", Colour.WATCH),
    State(3, "nothing to show", Colour.FAINT),
)
"""The numbers of queries/reputation/states.sql."""


def listed() -> Json:
    """Return the number of listings."""
    return stat(
        Card(
            id=1,
            title="Listings",
            description=(
                "Pairs of a target and a list at which it stands now; what a list refuses to tell, or fails to, "
                "counts as it stood for three intervals. Any listing: see which, and whether it costs mail, below."
            ),
            width=4,
            height=8,
            empty=NO_EXPORTER,
        ),
        # As of now, like the two beside it: over a day, the last of a range's points may be five minutes old,
        # over a month two hours.
        [PromQL("sum(max by (target, list) (duckwatch_dnsbl_listed))", "Listings", instant=True)],
        Scale(Unit.COUNT, (Step(Colour.GOOD), Step(Colour.BAD, 1))),
    )


def unhealthy() -> Json:
    """Return the number of lists at fault."""
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
            empty=NO_EXPORTER,
        ),
        [
            PromQL(f"count({HEALTH_NUMBER} == 3) or 0 * count({HEALTH_NUMBER})", "Unhealthy", instant=True),
            PromQL(f"count({HEALTH_NUMBER} == 2) or 0 * count({HEALTH_NUMBER})", "Refused", ref="B", instant=True),
        ],
        Scale(Unit.COUNT, (Step(Colour.GOOD), Step(Colour.WATCH, 1))),
    )


def oldest_check() -> Json:
    """Return how long the most silent list has said nothing."""
    return stat(
        Card(
            id=3,
            title="Most silent list",
            description=(
                "How long ago the list that has been silent for longest last gave a real verdict. "
                "Red: see its health and the age of its last check below."
            ),
            width=4,
            height=8,
            empty=NO_EXPORTER,
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


def states() -> Json:
    """Return the state timeline of the listings."""
    return state_timeline(
        Card(
            id=4,
            title="Listed and delisted",
            description=(
                "Each target and list with a listing in the range, at most the newest 40. Unknown: "
                "neither verdict is claimed any more. Listed: look the target up below. "
                "Unknown: see the list's health."
            ),
            width=12,
            height=8,
        ),
        [Sql("reputation/states")],
        STANDING,
    )


def current() -> Json:
    """Return the table of the newest results."""
    return table(
        Card(
            id=5,
            title="What the lists say now",
            description=(
                "The newest result of each target and list, listings first, whatever the range. "
                "Listed: look the target up at the list, mend the cause, then ask the list to remove it. "
                "A target that is no longer checked keeps its last row."
            ),
            width=24,
            height=9,
        ),
        [Sql("reputation/current", table=True)],
        overrides=[
            column("target", "Target", 120),
            column("name", "Host name", 110),
            column("list", "List", 140),
            column("standing", "Standing", 100, words=STANDINGS),
            column("severity", "Severity", 96),
            column("since", "Since", 142, unit=Unit.AGO),
            column("page", "Lookup", 90, links=[LOOKUP]),
            column("verdict", "Last verdict", 117),
            column("meaning", "Meaning", 109),
            column("reason", "The list's words", None),
            column("changed", "Changed", 142, unit=Unit.AGO),
            hidden("lookup"),
        ],
    )


def changes() -> Json:
    """Return the table of listings and delistings."""
    return table(
        Card(
            id=6,
            title="Listings and delistings",
            description=(
                "The newest 100 in the range. A failed or refused check between two verdicts is no change. "
                "A target that is listed again and again: mend what the list's words say before the next request."
            ),
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
