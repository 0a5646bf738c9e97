"""*Inbound & logins*: the mail that WildDuck stores, the mail that users mark as spam, and logins and failed logins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import coloured, column, value
from grafana.fields import TOO_LITTLE, Card, Colour, Scale, Step, Unit
from grafana.layout import Row
from grafana.links import Board
from grafana.more_panels import text
from grafana.pages import Page, dashboard
from grafana.panels import Style, stat, table, timeseries
from grafana.targets import PromQL, Sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana.fields import Json, Override
    from grafana.settings import Settings

PAGE = Page(
    board=Board.INBOUND,
    title="Inbound & logins",
    description=(
        "WildDuck: stored mail, the users' verdicts, logins and webhooks. "
        "Mail and logins need `collector.mongo` or GELF, verdicts and webhooks need WildDuck's webhooks."
    ),
)

HERE = 'mail_cluster=~"$cluster"'
FAILED = 'result!~"success|error"'
"""A success, and an error of the server itself, are no failures."""
ANY_IS_WATCHED = (Step(Colour.GOOD), Step(Colour.WATCH, 1))
NOT_FOLLOWED = "nothing in this time range, or WildDuck is not followed: see docs/backup-sources.md"
NO_LOGINS = "no logins"
TOO_FEW = "too few logins to judge"

RESULTS = {
    "success": Colour.GOOD,
    "failed": Colour.BAD,
    "unknown_user": Colour.BAD,
    **dict.fromkeys(("suspended", "disabled", "scope_disabled", "rate_limited", "error"), Colour.WATCH),
    "other": Colour.PLAIN,
}
"""A text without a colour of its own would be green."""


def build(settings: Settings) -> Json:
    """Return the dashboard, normalised."""
    rows = [
        Row(_now()),
        Row([_results(), _failed(), _suspects()], "Logins", 100),
        Row([_sources(), _logins(), _accounts()], "Who logs in", 200),
        Row([_stored(), _verdicts(), _senders()], "Inbound mail", 300),
        Row(_webhooks(), "Webhooks", 400),
    ]
    return dashboard(PAGE, rows, settings)


def _number(number: int, title: str, description: str, expr: str, scale: Scale) -> Json:
    """Return a stat panel with one number, evaluated at the end of the range."""
    card = Card(id=number, title=title, description=description, width=4, height=4)
    return stat(card, [PromQL(expr, title, instant=True)], scale, course=False)


def _course(
    number: int,
    title: str,
    description: str,
    targets: Sequence[PromQL | Sql],
    unit: Unit,
    *,
    width: int = 8,
    style: Style = Style.LINES,
    overrides: Sequence[Override] = (),
) -> Json:
    card = Card(id=number, title=title, description=description, width=width, height=8, empty=NOT_FOLLOWED)
    return timeseries(card, targets, Scale(unit), style=style, overrides=overrides)


def _now() -> list[Json]:
    logins = f"sum(increase(duckwatch_auth_events_total{{{HERE}}}[$__range]))"
    failed = f"(sum(increase(duckwatch_auth_events_total{{{HERE}, {FAILED}}}[$__range])) or vector(0))"
    return [
        _number(
            1,
            "Logins",
            "In the range, good and bad. If it falls to nothing while users work, the source of logins is gone: "
            "see duckwatch itself.",
            logins,
            Scale(Unit.COUNT, decimals=0, empty=NO_LOGINS),
        ),
        _number(
            2,
            "Failed",
            "Share of logins in the range that failed; the number of logins is beside it. "
            "A high share is one forgotten password on a phone, or somebody who guesses: see the sources below.",
            f"{failed} / ({logins} > 100)",
            Scale(Unit.RATIO, (Step(Colour.GOOD), Step(Colour.WATCH, 0.2), Step(Colour.BAD, 0.5)), empty=TOO_FEW),
        ),
        _number(
            3,
            "Attacked accounts",
            "Accounts with 10 failed logins or more within the last ten minutes, of all clusters. "
            "Not shown by name: see `Whose logins they are` below.",
            'sum(duckwatch_auth_suspects{kind="account"})',
            Scale(Unit.COUNT, ANY_IS_WATCHED, decimals=0),
        ),
        _number(
            4,
            "Guessing sources",
            "Addresses with 20 failed logins or more within the last ten minutes, of all clusters. "
            "The table of sources names them: block them if no login of theirs succeeds.",
            'sum(duckwatch_auth_suspects{kind="source"})',
            Scale(Unit.COUNT, ANY_IS_WATCHED, decimals=0),
        ),
        stat(
            Card(
                id=5,
                title="Inbound in the range",
                description=(
                    "Messages that WildDuck stored by LMTP, their size, and what users marked as spam or as no spam. "
                    "If stored falls to nothing, see WildDuck's LMTP in MTA itself."
                ),
                width=8,
                height=4,
                empty=NOT_FOLLOWED,
            ),
            [Sql("inbound/totals", table=True)],
            Scale(Unit.COUNT),
            named=True,
            course=False,
            overrides=[
                value("stored", "Stored", unit=Unit.COUNT),
                value("bytes", "Size", unit=Unit.BYTES),
                value("marked_spam", "Spam", unit=Unit.COUNT),
                value("marked_ham", "No spam", unit=Unit.COUNT),
            ],
        ),
    ]


def _results() -> Json:
    return _course(
        10,
        "Logins by result",
        "Per second. Many `unknown_user`: somebody tries names. Many `failed`: somebody tries passwords. "
        "`error`: WildDuck itself failed, see its log.",
        [
            PromQL(
                f"sum by (result) (rate(duckwatch_auth_events_total{{{HERE}}}[$__rate_interval]))",
                "{{result}}",
            )
        ],
        Unit.PER_SECOND,
        style=Style.AREAS,
        overrides=[coloured("success", Colour.GOOD), coloured("failed", Colour.BAD)],
    )


def _failed() -> Json:
    return _course(
        11,
        "Failed logins by protocol",
        "Per second. If one protocol alone fails for everybody, its service has a fault, or a client was changed.",
        [
            PromQL(
                f"sum by (protocol) (rate(duckwatch_auth_events_total{{{HERE}, {FAILED}}}[$__rate_interval]))",
                "{{protocol}}",
            )
        ],
        Unit.PER_SECOND,
    )


def _suspects() -> Json:
    return _course(
        12,
        "Bursts of failed logins",
        "Accounts with 10 failures or more, and addresses with 20, within ten minutes. "
        "Many accounts and few addresses: one attacker. Many of both: a botnet, so blocking single addresses is vain.",
        [PromQL("max by (kind) (duckwatch_auth_suspects)", "{{kind}}")],
        Unit.COUNT,
    )


def _sources() -> Json:
    return table(
        Card(
            id=20,
            title="Sources of failed logins, last day",
            description=(
                "The 100 client addresses with the most failed logins in the last day of the range. "
                "An address with failures and no success is an attacker: block it. One with both is an office, "
                "or an attacker who found a password. With `privacy.pseudonymise` these are pseudonyms."
            ),
            width=14,
            height=10,
            empty=NOT_FOLLOWED,
        ),
        [Sql("inbound/sources", table=True)],
        overrides=[
            column("source", "Source", None),
            column("failed", "Failed", 75, unit=Unit.COUNT),
            column("unknown_user", "No such user", 135, unit=Unit.COUNT),
            column("succeeded", "Good", 75, unit=Unit.COUNT),
            column("protocols", "Protocols", 105),
            column("first", "First", 110, unit=Unit.AGO),
            column("last", "Last", 110, unit=Unit.AGO),
        ],
    )


def _logins() -> Json:
    return table(
        Card(
            id=21,
            title="Logins, last day",
            description=(
                "Of the last day of the range. `suspended` and `disabled` are accounts that may not log in, "
                "`scope_disabled` a protocol that is switched off for the account; these users may need help."
            ),
            width=10,
            height=10,
            empty=NOT_FOLLOWED,
        ),
        [Sql("inbound/logins", table=True)],
        overrides=[
            column("protocol", "Protocol", 90),
            column("result", "Result", None, words=RESULTS),
            column("logins", "Logins", 90, unit=Unit.COUNT),
            column("newest", "Newest", 110, unit=Unit.AGO),
        ],
    )


def _accounts() -> Json:
    return text(
        Card(
            id=22,
            title="Whose logins they are",
            description="Dashboards see logins without their accounts (docs/privacy.md).",
            width=24,
            height=4,
        ),
        "Every viewer of this Grafana can read what its role may read, so that role sees no account of a login, "
        "and no webhook. "
        "With the collector's own role, in psql: the columns `user_id` and `username` of `auth_events`, and "
        "`audit_events` for what happened to an account. "
        "For one person: `duckwatch-collector subject export`.",
    )


def _stored() -> Json:
    return _course(
        30,
        "Stored mail",
        "Messages per bin that came by LMTP. If it falls to nothing, inbound mail stops at WildDuck or before it.",
        [Sql("inbound/mail")],
        Unit.COUNT,
        width=6,
        style=Style.BARS,
    )


def _verdicts() -> Json:
    return _course(
        31,
        "Marked by users",
        "Messages per bin. Many marked as spam: the filter lets a run through. "
        "Many marked as no spam: the filter takes good mail for spam, so lower its score.",
        [Sql("inbound/verdicts")],
        Unit.COUNT,
        width=6,
        style=Style.BARS,
        overrides=[
            coloured("marked_spam", Colour.BAD, "marked as spam"),
            coloured("marked_ham", Colour.GOOD, "marked as no spam"),
        ],
    )


def _senders() -> Json:
    return table(
        Card(
            id=32,
            title="Sending domains, last hour",
            description=(
                "Of the last hour of the range, those on which users gave the most verdicts first. "
                "A domain whose mail users mark as spam and the filter does not needs a rule; "
                "one that they mark as no spam needs an exception."
            ),
            width=12,
            height=8,
            empty=NOT_FOLLOWED,
        ),
        [Sql("inbound/senders", table=True)],
        overrides=[
            column("domain", "Sending domain", None),
            column("stored", "Stored", 75, unit=Unit.COUNT),
            column("junk", "Junk", 70, unit=Unit.COUNT),
            column("junk_share", "Junk of stored", 150, unit=Unit.RATIO, empty=TOO_LITTLE),
            column("marked_spam", "Spam", 75, unit=Unit.COUNT),
            column("marked_ham", "No spam", 105, unit=Unit.COUNT),
        ],
    )


def _webhooks() -> list[Json]:
    return [
        _course(
            40,
            "Webhooks taken",
            "Events of WildDuck's webhooks that were acknowledged, per second. If it falls to nothing, see whether "
            "WildDuck reaches the collector; it tries five times within 30 s, and then the event is lost.",
            [PromQL('sum(rate(duckwatch_ingest_events_total{source="wildduck"}[$__rate_interval]))', "taken")],
            Unit.PER_SECOND,
            width=12,
        ),
        _course(
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
