"""*Bounces and deferrals*: what other servers refuse, why, since when, and whether the refusals are permanent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.annotations import LISTINGS
from grafana.columns import coloured, column, organised, value
from grafana.dashboards._provider_codes import BY_CODE
from grafana.fields import TOO_LITTLE, Card, Colour, Scale, State, Step, Unit
from grafana.layout import Row
from grafana.links import Board, in_text, of_column, to_board
from grafana.more_panels import text
from grafana.pages import Page, dashboard
from grafana.panels import Style, stat, table, timeseries
from grafana.targets import PromQL, Sql
from grafana.variables import CHOICES, QueryVariable

if TYPE_CHECKING:
    from grafana.fields import Json
    from grafana.settings import Settings

PAGE = Page(
    board=Board.BOUNCES,
    title="Bounces and deferrals",
    description="What other servers refuse or put off, why, since when, and which domains take nothing at all.",
    variables=(*CHOICES, QueryVariable("provider", "Provider", "shared/providers")),
    start="now-24h",
    annotations=(LISTINGS,),
)

BLOCK = "reputation|policy|authentication|content|rate_limited|greylisted"
"""The reasons of the outcome class `block` (docs/events.md, section 3)."""

CLASSES = {
    "hard": 'kind="hard"',
    "expired": 'kind="expired"',
    "block": f'kind!~"hard|expired",reason=~"{BLOCK}"',
    "other": 'kind!~"hard|expired",reason="other"',
    "soft": f'kind!~"hard|expired",reason!~"other|{BLOCK}"',
}
CLASS_COLOURS = {
    "hard": Colour.BAD,
    "expired": Colour.WATCH,
    "block": Colour.PLAIN,
    "other": Colour.FAINT,
    "soft": Colour.OTHER,
}
CHOSEN = 'mail_cluster=~"$cluster",provider=~"$provider"'

VERDICTS = {"takes nothing": Colour.BAD, "refuses most": Colour.WATCH}
VERDICTS |= {"takes most": Colour.PLAIN, TOO_LITTLE: Colour.PLAIN}
"""Those of queries/bounces/refusing_domains.sql."""

UNEXPLAINED = (Step(Colour.PLAIN), Step(Colour.WATCH, 0.1))
BOUNCED = (Step(Colour.GOOD), Step(Colour.WATCH, 0.05), Step(Colour.BAD, 0.1))

WHAT_TO_DO = """\
- **hard**: no such mailbox or domain. Take it off the list.
- **block**: they refuse *us*. Look at reputation, authentication, rates.
- **expired**: ZoneMTA gave up. Look at the route and the other end.
- **soft**: a full mailbox, a size. Wait.
- **other**: no reason found. Read the reply below.

A *deferral* waits: ZoneMTA tries again.
"""


def build(settings: Settings) -> Json:
    """Return the dashboard, normalised."""
    rows = [
        Row([_totals(), _classes(), _what_to_do()]),
        Row([_bounced(), _deferred(), _unexplained()], "Reasons", 100),
        Row([_patterns(), _codes()], "Replies", 200),
        Row([_domains()], "Domains that refuse everything", 300),
    ]
    return dashboard(PAGE, rows, settings)


def _totals() -> Json:
    return stat(
        Card(
            id=1,
            title="In this time",
            description=(
                "Finished are recipients that were delivered or bounced; deferred are attempts. Shares of fewer than "
                "100 have no colour. Many bounces: look at the classes beside it. Many replies without a reason: read "
                "them below, and report those that should have one."
            ),
            width=5,
            height=11,
        ),
        [Sql("bounces/totals", table=True)],
        Scale(Unit.COUNT, empty=TOO_LITTLE),
        named=True,
        course=False,
        overrides=[
            value("finished", "Finished", unit=Unit.COUNT),
            value("bounced", "Bounced", unit=Unit.COUNT),
            value("bounced_share", "Bounced of finished", unit=Unit.RATIO, thresholds=BOUNCED, empty=TOO_LITTLE),
            value("deferred", "Deferred attempts", unit=Unit.COUNT),
            value(
                "unexplained_share",
                "Replies without a reason",
                unit=Unit.RATIO,
                thresholds=UNEXPLAINED,
                empty=TOO_LITTLE,
            ),
        ],
    )


def _classes() -> Json:
    return timeseries(
        Card(
            id=2,
            title="Bounces by class, per hour",
            description=(
                "The class says how to act (see beside). A step in `block` is about us: see Reputation for the "
                "address, the replies below for the words. A step in `hard` is a bad list of recipients."
            ),
            width=12,
            height=11,
            links=(to_board(Board.REPUTATION, "Listings"), to_board(Board.DELIVERY, "Delivery")),
        ),
        [
            PromQL(
                f"3600 * (sum(rate(duckwatch_mail_bounces_total{{{CHOSEN},{matcher}}}[$__rate_interval]))"
                " or vector(0))",
                name,
                ref=chr(ord("A") + index),
            )
            for index, (name, matcher) in enumerate(CLASSES.items())
        ],
        Scale(Unit.COUNT),
        style=Style.AREAS,
        overrides=[coloured(name, colour) for name, colour in CLASS_COLOURS.items()],
    )


def _what_to_do() -> Json:
    return text(
        Card(
            id=3,
            title="What to do",
            description="What each class of bounces means, and where to look next.",
            width=7,
            height=11,
        ),
        f"{WHAT_TO_DO}\nWhere next: {in_text(Board.DELIVERY, 'Delivery')}, {in_text(Board.REPUTATION, 'Reputation')}, "
        f"{in_text(Board.QUEUE, 'Queue')}, {in_text(Board.TRACE, 'Message trace')}.",
    )


def _bounced() -> Json:
    return _by_reason(
        4,
        "bounced",
        "Bounces by reason",
        "Recipients per bin whose mail has failed for good. `unknown_user` is the list of recipients; `reputation`, "
        "`policy` and `authentication` are about us; `connection` and `dns` about the other end.",
    )


def _deferred() -> Json:
    return _by_reason(
        5,
        "deferred",
        "Deferrals by reason",
        "Attempts per bin that ZoneMTA repeats by itself. `greylisted` passes; `rate_limited` passes if the rate "
        "falls; `reputation` and `policy` become bounces when the retries run out: act now.",
    )


def _by_reason(number: int, action: str, title: str, description: str) -> Json:
    return timeseries(
        Card(id=number, title=title, description=description, width=9, height=9),
        [Sql(f"bounces/{action}_by_reason")],
        Scale(Unit.COUNT),
        style=Style.BARS,
        legend=["sum"],
    )


def _unexplained() -> Json:
    return timeseries(
        Card(
            id=6,
            title="Replies without a reason",
            description=(
                "Share of the replies of bounces and deferrals in the hour before whose words no rule knows. An hour "
                "with fewer than 100 has no point. If it rises, a provider has new words: read the new replies below."
            ),
            width=6,
            height=9,
        ),
        [Sql("bounces/unexplained")],
        Scale(Unit.RATIO, empty=TOO_LITTLE, maximum=1),
    )


def _patterns() -> Json:
    return table(
        Card(
            id=7,
            title="Replies",
            description=(
                "The most frequent kinds of replies, ids and addresses replaced; counts are of whole hours. `new` is "
                "new since yesterday: first seen in the last day of the range. A new reply with many bounces is the "
                "first thing to read. The example opens the newest message that got it."
            ),
            width=24,
            height=13,
        ),
        [Sql("bounces/patterns", table=True)],
        overrides=[
            column("new", "New", 75, words={"new": Colour.WATCH}),
            column("pattern", "Reply", None),
            column("bounced", "Bounced", 100, unit=Unit.COUNT),
            column("deferred", "Deferred", 100, unit=Unit.COUNT),
            column("provider", "Provider", 100),
            column("reason", "Reason", 120),
            column("cluster", "Cluster", 90),
            column("first_seen", "First seen", 165, unit=Unit.AT),
            column("last_seen", "Last seen", 125, unit=Unit.AGO),
            column(
                "example",
                "Example",
                120,
                links=[to_board(Board.TRACE, "Its life", values={"message": of_column("example")})],
            ),
        ],
    )


def _codes() -> Json:
    meanings = [State(code, meaning.text, Colour.PLAIN) for code, meaning in BY_CODE.items()]
    reasons = [State(code, meaning.reason, Colour.PLAIN) for code, meaning in BY_CODE.items()]
    asked = (
        'sum by (provider, code) (increase(duckwatch_mail_provider_signals_total{provider=~"$provider"}[$__range])) > 0'
    )
    meaning = f'label_join({asked}, "meaning", " ", "provider", "code")'
    return table(
        Card(
            id=8,
            title="Providers' own codes",
            description=(
                "What a provider says in its own code, in all clusters, and what that means: the most exact words "
                "there are on why it refuses us. From an address that is not in `sending_ips` or `public_ips`, a code "
                "that came once only is not here, but in the replies above."
            ),
            width=24,
            height=9,
        ),
        [
            PromQL(
                f'label_join({meaning}, "reason", " ", "provider", "code")',
                "{{provider}} {{code}}",
                instant=True,
                table=True,
            )
        ],
        transformations=[organised(["provider", "code", "meaning", "reason", "Value"], without=["Time"])],
        overrides=[
            column("provider", "Provider", 120),
            column("code", "Code", 130),
            column("meaning", "Meaning", None, words=meanings),
            column("reason", "Reason", 150, words=reasons),
            column("Value", "Replies", 110, unit=Unit.COUNT, decimals=0),
        ],
        sort=("Replies", True),
    )


def _domains() -> Json:
    return table(
        Card(
            id=9,
            title="Recipient domains that refuse most",
            description=(
                "Those that take nothing come first, however small. A domain that took nothing since its first "
                "failure has blocked us, or is broken: the main reason tells which. Times are whole hours; the 5,000 "
                "domains of an hour with the most failures are known. Without a colour: fewer than 100 attempts."
            ),
            width=24,
            height=10,
        ),
        [Sql("bounces/refusing_domains", table=True)],
        overrides=[
            column("domain", "Recipient domain", None),
            column("providers", "Provider", 110),
            column("attempts", "Attempts", 100, unit=Unit.COUNT),
            column("delivered", "Delivered", 105, unit=Unit.COUNT),
            column("deferred", "Deferred", 100, unit=Unit.COUNT),
            column("bounced", "Bounced", 100, unit=Unit.COUNT),
            column("failed_share", "Failed", 90, unit=Unit.RATIO, decimals=1),
            column("verdict", "Verdict", 140, words=VERDICTS),
            column("reason", "Main reason", 125),
            column("first_failure", "First failure", 158, unit=Unit.AT),
            column("last_success", "Last success", 125, unit=Unit.AGO, empty="none in this time"),
        ],
    )
