"""*Delivery*: which provider accepts our mail from which address, how quickly, and at which attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.annotations import LISTINGS
from grafana.columns import column, dashed, matrix, value
from grafana.fields import TOO_LITTLE, Card, Colour, Override, Scale, Step, Unit
from grafana.layout import Row
from grafana.links import OF_SERIES, Board, of_column, to_board
from grafana.pages import Page, dashboard
from grafana.panels import stat, table, timeseries
from grafana.parts import steps
from grafana.targets import PromQL, Sql
from grafana.variables import CHOICES, QueryVariable

if TYPE_CHECKING:
    from grafana.fields import Json
    from grafana.settings import Settings

PAGE = Page(
    board=Board.DELIVERY,
    title="Mail delivery",
    description="What providers do with our mail: by sending address, at the first attempt and later, and how quickly.",
    variables=(
        *CHOICES,
        QueryVariable("provider", "Provider", "shared/providers"),
        QueryVariable("zone", "Zone", "shared/zones"),
        QueryVariable("address", "Sending address", "shared/addresses"),
    ),
    start="now-24h",
    annotations=(LISTINGS,),
)

ATTEMPTS_DELIVERED = (Step(Colour.BAD), Step(Colour.WATCH, 0.5), Step(Colour.GOOD, 0.8))
"""Of attempts: greylisting and rate limits put off some in a hundred of a sender in good standing."""

RECIPIENTS_DELIVERED = (Step(Colour.BAD), Step(Colour.WATCH, 0.9), Step(Colour.GOOD, 0.95))
"""Of finished recipients: the counterpart of BOUNCED."""

DEFERRED = (Step(Colour.GOOD), Step(Colour.WATCH, 0.3))
BOUNCED = (Step(Colour.GOOD), Step(Colour.WATCH, 0.05), Step(Colour.BAD, 0.1))
PLAIN_TEXT = (Step(Colour.GOOD), Step(Colour.WATCH, 0.01), Step(Colour.BAD, 0.1))

FEW = "·"
"""The `empty` of narrow columns; the panel's description says what it means."""

NOTHING = {"text": FEW, "color": "transparent", "index": 0}
"""The same in cells that are coloured all over."""

ATTEMPT_UNKNOWN = "too little mail, or attempts unknown"

TO_PAIR = to_board(
    Board.DELIVERY,
    "Only this pair",
    keep=("zone",),
    values={"provider": of_column("provider"), "address": of_column("address")},
)
TO_PROVIDER = to_board(
    Board.DELIVERY, "Only this provider", keep=("zone", "address"), values={"provider": of_column("provider")}
)
TO_SERIES = to_board(Board.DELIVERY, "Only this provider", keep=("zone", "address"), values={"provider": OF_SERIES})

EARLIER = (dashed("yesterday"), dashed("a week ago", Colour.OTHER))


def build(settings: Settings) -> Json:
    """Return the dashboard, normalised."""
    rows = [
        Row([_totals()]),
        Row([_matrix(), _pairs()], "Provider and sending address", 100),
        Row([_first_share(), _waits_by_attempt(), _attempts()], "First attempts and later ones", 101),
        Row([_compared(), _compared_failed(), _compared_waits()], "Against yesterday and a week ago", 102),
        Row([_percentiles(), _sessions(), _tls()], "How quickly, and how safely", 103),
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


def _matrix() -> Json:
    cell = (
        ("unit", Unit.RATIO.value),
        ("decimals", 0),
        ("thresholds", {"mode": "absolute", "steps": steps(ATTEMPTS_DELIVERED)}),
        ("color", {"mode": "thresholds"}),
        ("custom.cellOptions", {"type": "color-background", "mode": "basic"}),
        ("mappings", [{"type": "special", "options": {"match": "null+nan", "result": NOTHING}}]),
    )
    return table(
        Card(
            id=2,
            title="Share of attempts delivered",
            description=(
                "Each provider by each of our sending addresses, the 20 busiest of both. "
                "A red line: that provider refuses or defers all our addresses, so look at what it says. "
                "A red column: that address is in trouble everywhere, so look at Reputation. "
                "One red cell: that provider blocks that address. "
                "A dot: fewer than 100 attempts, too little mail to judge. The counts are in the table below."
            ),
            width=24,
            height=10,
            links=(
                to_board(Board.REPUTATION, "Reputation of our addresses"),
                to_board(Board.BOUNCES, "What they say"),
            ),
        ),
        [Sql("delivery/matrix", table=True)],
        transformations=[matrix("provider", "address", "share")],
        overrides=[
            Override(r"provider\address", (("displayName", "Provider"), ("custom.width", 110))),
            Override("number", cell, by="byType"),
        ],
    )


def _pairs() -> Json:
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


def _first_share() -> Json:
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


def _waits_by_attempt() -> Json:
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


def _attempts() -> Json:
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


def _compared() -> Json:
    return timeseries(
        Card(
            id=7,
            title="Delivered",
            description=(
                "Recipients per bin, beside the same hours 24 hours and 7 days before (dashed). "
                "Less than both: less came in, or less gets out; Overview tells which."
            ),
            width=8,
            height=9,
            links=(to_board(Board.OVERVIEW, "Overview"),),
        ),
        [Sql("delivery/compared")],
        Scale(Unit.COUNT),
        overrides=EARLIER,
    )


def _compared_failed() -> Json:
    return timeseries(
        Card(
            id=8,
            title="Deferred and bounced",
            description=(
                "Attempts per bin that failed, beside the same hours 24 hours and 7 days before (dashed). "
                "More than both, while the same is delivered: something is new; look at what they say."
            ),
            width=8,
            height=9,
            links=(to_board(Board.BOUNCES, "What they say"),),
        ),
        [Sql("delivery/compared_failed")],
        Scale(Unit.COUNT),
        overrides=EARLIER,
    )


def _compared_waits() -> Json:
    return timeseries(
        Card(
            id=9,
            title="Waited until delivered, p95",
            description=(
                "All but a twentieth of the delivered mail had waited less than this, beside the same hours 24 hours "
                "and 7 days before (dashed). Above both: mail is slow today."
            ),
            width=8,
            height=9,
        ),
        [Sql("delivery/compared_latency")],
        Scale(Unit.SECONDS),
        log=True,
        overrides=EARLIER,
    )


def _percentiles() -> Json:
    return timeseries(
        Card(
            id=10,
            title="Waited until delivered",
            description=(
                "50, 95 and 99 of 100 delivered recipients had waited less than this since their message was queued; "
                "one day at most is told. p50 rises: all mail waits. Only p99 rises: a few destinations are slow."
            ),
            width=12,
            height=9,
        ),
        [Sql("delivery/percentiles")],
        Scale(Unit.SECONDS),
        log=True,
    )


def _sessions() -> Json:
    return timeseries(
        Card(
            id=12,
            title="SMTP session, p95",
            description=(
                "How long a session with each provider lasts: all but a twentieth are shorter. "
                "One provider rises: it is slow, or slows us down on purpose. All rise: our network or name server is."
            ),
            width=12,
            height=9,
        ),
        [
            PromQL.quantile(
                0.95,
                "duckwatch_smtp_session_seconds",
                "{{provider}}",
                by="provider",
                where='mail_cluster=~"$cluster", provider=~"$provider"',
            )
        ],
        Scale(Unit.SECONDS),
    )


def _tls() -> Json:
    return table(
        Card(
            id=11,
            title="Encryption",
            description=(
                "Deliveries of the last six hours of the range at most, and the shares that went unencrypted, with a "
                "certificate that does not fit, and with each version of TLS. "
                "Unencrypted to a provider that had encryption yesterday: somebody may be in between, or our TLS is "
                "broken. Fewer than 100: no share."
            ),
            width=24,
            height=10,
        ),
        [Sql("delivery/tls", table=True)],
        overrides=[
            column("provider", "Provider", None, links=[TO_PROVIDER]),
            column("delivered", "Delivered", 100, unit=Unit.COUNT),
            column("plain_share", "Unencrypted", 120, unit=Unit.RATIO, decimals=1, thresholds=PLAIN_TEXT, empty=FEW),
            column("unverified_share", "Certificate unfit", 140, unit=Unit.RATIO, decimals=1, empty=FEW),
            column("newest_share", "TLS 1.3", 95, unit=Unit.RATIO, decimals=1, empty=FEW),
            column("tls12_share", "TLS 1.2", 95, unit=Unit.RATIO, decimals=1, empty=FEW),
            column("old_share", "Older TLS", 105, unit=Unit.RATIO, decimals=1, empty=FEW),
        ],
    )
