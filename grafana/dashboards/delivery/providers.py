"""What each provider does with our mail: by sending address, and at which attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import column, matrix
from grafana.fields import Card, Colour, Override, Scale, Step, Unit
from grafana.links import OF_SERIES, DashboardUid, of_column, to_dashboard
from grafana.panels import table, timeseries
from grafana.parts import steps
from grafana.targets import Sql

if TYPE_CHECKING:
    from grafana.fields import Json

ATTEMPTS_DELIVERED = (Step(Colour.BAD), Step(Colour.WATCH, 0.5), Step(Colour.GOOD, 0.8))
"""Of attempts: greylisting and rate limits put off some in a hundred of a sender in good standing."""

DEFERRED = (Step(Colour.GOOD), Step(Colour.WATCH, 0.3))
BOUNCED = (Step(Colour.GOOD), Step(Colour.WATCH, 0.05), Step(Colour.BAD, 0.1))

FEW = "·"
"""The `empty` of narrow columns; the panel's description says what it means."""

NOTHING = {"text": FEW, "color": "transparent", "index": 0}
"""The same in cells that are coloured all over."""

TO_PAIR = to_dashboard(
    DashboardUid.DELIVERY,
    "Only this pair",
    keep=("zone",),
    values={"provider": of_column("provider"), "address": of_column("address")},
)
TO_PROVIDER = to_dashboard(
    DashboardUid.DELIVERY, "Only this provider", keep=("zone", "address"), values={"provider": of_column("provider")}
)
TO_SERIES = to_dashboard(
    DashboardUid.DELIVERY, "Only this provider", keep=("zone", "address"), values={"provider": OF_SERIES}
)


def shares() -> Json:
    """Return the matrix of providers and sending addresses."""
    cell = (
        ("unit", Unit.RATIO.value),
        ("decimals", 0),
        ("thresholds", {"mode": "absolute", "steps": steps(ATTEMPTS_DELIVERED)}),
        ("color", {"mode": "thresholds"}),
        ("custom.cellOptions", {"type": "color-background", "mode": "basic"}),
        ("mappings", [{"type": "special", "options": {"match": "null+nan", "result": NOTHING}}]),
        # Twelve providers side by side on a page that is 1,366 pixels wide. Grafana's least is 150.
        ("custom.minWidth", 90),
        ("custom.filterable", False),
    )
    return table(
        Card(
            id=2,
            title="Share of attempts delivered",
            description=(
                "Each of our sending addresses by each provider, the 20 busiest of both. "
                "A red column: that provider refuses or defers all our addresses, so look at what it says. "
                "A red line: that address is in trouble everywhere, so look at Reputation. "
                "One red cell: that provider blocks that address. "
                "A dot: fewer than 100 attempts, too little mail to judge. The counts are in the table below."
            ),
            width=24,
            height=10,
            links=(
                to_dashboard(DashboardUid.REPUTATION, "Reputation of our addresses"),
                to_dashboard(DashboardUid.BOUNCES, "What they say"),
            ),
        ),
        [Sql("delivery/matrix", table=True)],
        transformations=[matrix("address", "provider", "share")],
        overrides=[
            Override(r"address\provider", (("displayName", "Address"), ("custom.width", 200))),
            Override("number", cell, by="byType"),
        ],
    )


def pairs() -> Json:
    """Return the table of pairs of a provider and a sending address."""
    return table(
        Card(
            id=3,
            title="Provider and sending address, with counts",
            description=(
                "Attempts of each pair, the shares that were delivered, deferred and bounced, how long delivered mail "
                "had waited, and when mail last got through (the start of that five minutes or hour). "
                "Deferred: they make us wait. Bounced: they refuse, so act. "
                "A dot: fewer than 100 attempts, too little mail to judge."
            ),
            width=24,
            height=10,
        ),
        [Sql("delivery/pairs", table=True)],
        overrides=[
            column("provider", "Provider", None, links=[TO_PAIR, TO_PROVIDER]),
            column("address", "Address", 280, links=[TO_PAIR]),
            column("attempts", "Attempts", 100, unit=Unit.COUNT),
            column(
                "delivered_share",
                "Delivered",
                110,
                unit=Unit.RATIO,
                decimals=1,
                thresholds=ATTEMPTS_DELIVERED,
                empty=FEW,
            ),
            column("deferred_share", "Deferred", 105, unit=Unit.RATIO, decimals=1, thresholds=DEFERRED, empty=FEW),
            column("bounced_share", "Bounced", 105, unit=Unit.RATIO, decimals=1, thresholds=BOUNCED, empty=FEW),
            column("p50", "p50", 75, unit=Unit.SECONDS, decimals=1),
            column("p95", "p95", 75, unit=Unit.SECONDS, decimals=1),
            column("last_delivered", "Last through", 150, unit=Unit.AGO),
        ],
    )


def first_share() -> Json:
    """Return the chart of the share of first attempts that were delivered."""
    return timeseries(
        Card(
            id=4,
            title="First attempts delivered at once",
            description=(
                "Of the first attempts in the hour before each point, the share that was delivered; the eight busiest "
                "providers. No line where they are fewer than 100 (the table below has the counts), or where the "
                "plugin is too old to tell attempts. "
                "One line falls: that provider has begun to put us off. All fall: it is us, or our network."
            ),
            width=12,
            height=9,
        ),
        [Sql("delivery/first_attempts")],
        Scale(Unit.RATIO, minimum=0, maximum=1),
        links=[TO_SERIES],
    )


def waits_by_attempt() -> Json:
    """Return the chart of the time in the queue, first attempts apart from later ones."""
    return timeseries(
        Card(
            id=5,
            title="Waited until delivered, first attempts and later ones",
            description=(
                "Half of the mail that was delivered at its first attempt had waited less than `first, p50`, all but "
                "a twentieth less than `first, p95`; the same of later attempts. "
                "First attempts slow: the queue or our own senders are. Later ones slow: providers put us off."
            ),
            width=12,
            height=9,
        ),
        [Sql("delivery/latency_by_attempt")],
        Scale(Unit.SECONDS),
        log=True,
    )


def attempts() -> Json:
    """Return the table of first attempts and later ones."""
    return table(
        Card(
            id=6,
            title="Attempts of each provider",
            description=(
                "First attempts and later ones, with what became of them. Later ones that are not delivered either: "
                "the provider does not want this mail. Unknown: told by a backup source or an old plugin; "
                "in no share of the charts. "
                "A dot: fewer than 100 attempts, too little mail to judge; or a plugin that tells no attempts."
            ),
            width=24,
            height=9,
        ),
        [Sql("delivery/attempts", table=True)],
        overrides=[
            column("provider", "Provider", None, links=[TO_PROVIDER]),
            column("attempt", "Attempt", 110),
            column("attempts", "Attempts", 100, unit=Unit.COUNT),
            *(
                column(name, header, 120, unit=Unit.RATIO, decimals=1, thresholds=colours, empty=FEW)
                for name, header, colours in (
                    ("delivered_share", "Delivered", ATTEMPTS_DELIVERED),
                    ("deferred_share", "Deferred", DEFERRED),
                    ("bounced_share", "Bounced", BOUNCED),
                )
            ),
            column("p50", "Waited, p50", 130, unit=Unit.SECONDS, decimals=1),
            column("p95", "Waited, p95", 130, unit=Unit.SECONDS, decimals=1),
        ],
    )
