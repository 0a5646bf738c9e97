"""Whether a listing is enforced: the listings of an address beside what providers refuse of its mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import column, hidden
from grafana.dashboards.reputation.lists import LOOKUP
from grafana.fields import Card, Colour, Scale, Step, Unit
from grafana.panels import Style, table, timeseries
from grafana.targets import Sql

if TYPE_CHECKING:
    from grafana.fields import Json

REFUSED = (Step(Colour.GOOD), Step(Colour.WATCH, 0.01), Step(Colour.BAD, 0.1))


def enforced() -> Json:
    """Return the table of listed addresses and their mail."""
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


def failures() -> Json:
    """Return the chart of mail that was refused for reputation."""
    return timeseries(
        Card(
            id=7,
            title="Refused for reputation, by sending address",
            description=(
                "Recipients bounced and attempts deferred per bin because of the sender's reputation. "
                "Set it beside the listings of the same address: what begins with a listing ends with its removal. "
                "Without one, read the replies on Bounces & deferrals."
            ),
            width=24,
            height=8,
        ),
        [Sql("reputation/failures")],
        Scale(Unit.COUNT),
        style=Style.BARS,
    )


def by_address() -> Json:
    """Return the table of sending addresses that are refused."""
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
