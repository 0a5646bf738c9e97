"""Logins: how many fail, by which protocol, and where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import coloured, column
from grafana.dashboards.inbound.charts import HERE, NOT_FOLLOWED, course, now
from grafana.fields import Card, Colour, Scale, Step, Unit
from grafana.more_panels import text
from grafana.panels import Style, table
from grafana.targets import PromQL, Sql

if TYPE_CHECKING:
    from grafana.fields import Json

FAILED = 'result!~"success|error"'
"""A success, and an error of the server itself, are no failures."""
ANY_IS_WATCHED = (Step(Colour.GOOD), Step(Colour.WATCH, 1))
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
LOGINS = f"sum(increase(duckwatch_auth_events_total{{{HERE}}}[$__range]))"
FAILED_LOGINS = f"(sum(increase(duckwatch_auth_events_total{{{HERE}, {FAILED}}}[$__range])) or vector(0))"


def logins_now() -> Json:
    """Return the number of logins."""
    return now(
        1,
        "Logins",
        "In the range, good and bad. If it falls to nothing while users work, the source of logins is gone: "
        "see duckwatch itself.",
        LOGINS,
        Scale(Unit.COUNT, decimals=0, empty=NO_LOGINS),
    )


def failed_share() -> Json:
    """Return the share of logins that failed."""
    return now(
        2,
        "Failed",
        "Share of logins in the range that failed; the number of logins is beside it. "
        "A high share is one forgotten password on a phone, or somebody who guesses: see the sources below.",
        f"{FAILED_LOGINS} / ({LOGINS} > 100)",
        Scale(Unit.RATIO, (Step(Colour.GOOD), Step(Colour.WATCH, 0.2), Step(Colour.BAD, 0.5)), empty=TOO_FEW),
    )


def attacked() -> Json:
    """Return the number of attacked accounts."""
    return now(
        3,
        "Attacked accounts",
        "Accounts with 10 failed logins or more within the last ten minutes, of all clusters. "
        "Not shown by name: see `Whose logins they are` below.",
        _suspects('kind="account"'),
        Scale(Unit.COUNT, ANY_IS_WATCHED, decimals=0, empty=NO_LOGINS),
    )


def guessing() -> Json:
    """Return the number of guessing sources."""
    return now(
        4,
        "Guessing sources",
        "Addresses with 20 failed logins or more within the last ten minutes, of all clusters. "
        "The table of sources names them: block them if no login of theirs succeeds.",
        _suspects('kind="source"'),
        Scale(Unit.COUNT, ANY_IS_WATCHED, decimals=0, empty=NO_LOGINS),
    )


def _suspects(where: str) -> str:
    """Return the number of suspects. 0 needs a login: the collector counts none where no source tells of logins."""
    return f"sum(duckwatch_auth_suspects{{{where}}}) > 0 or 0 * sum(increase(duckwatch_auth_events_total[$__range]))"


def results() -> Json:
    """Return the chart of logins by result."""
    return course(
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


def failed() -> Json:
    """Return the chart of failed logins by protocol."""
    return course(
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


def suspects() -> Json:
    """Return the chart of bursts of failed logins."""
    return course(
        12,
        "Bursts of failed logins",
        "Accounts with 10 failures or more, and addresses with 20, within ten minutes. "
        "Many accounts and few addresses: one attacker. Many of both: a botnet, so blocking single addresses is vain.",
        [
            PromQL(
                "max by (kind) (duckwatch_auth_suspects) > 0"
                " or max by (kind) (duckwatch_auth_suspects) and on () increase(duckwatch_auth_events_total[$__range])",
                "{{kind}}",
            )
        ],
        Unit.COUNT,
    )


def sources() -> Json:
    """Return the table of the sources of failed logins."""
    return table(
        Card(
            id=20,
            title="Sources of failed logins, last day",
            description=(
                "The 100 client addresses with the most failed logins in the last day of the range. "
                "An address with failures and no success is an attacker: block it. One with both is an office, "
                "or an attacker who found a password. With `privacy.pseudonymise` these are pseudonyms."
            ),
            width=15,
            height=10,
            empty=NOT_FOLLOWED,
        ),
        [Sql("inbound/sources", table=True)],
        overrides=[
            column("source", "Source", None),
            column("failed", "Failed", 75, unit=Unit.COUNT),
            column("unknown_user", "No such user", 125, unit=Unit.COUNT),
            column("succeeded", "Good", 75, unit=Unit.COUNT),
            column("protocols", "Protocols", 103),
            column("first", "First", 142, unit=Unit.AGO),
            column("last", "Last", 142, unit=Unit.AGO),
        ],
    )


def logins() -> Json:
    """Return the table of logins."""
    return table(
        Card(
            id=21,
            title="Logins, last day",
            description=(
                "Of the last day of the range. `suspended` and `disabled` are accounts that may not log in, "
                "`scope_disabled` a protocol that is switched off for the account; these users may need help."
            ),
            width=9,
            height=10,
            empty=NOT_FOLLOWED,
        ),
        [Sql("inbound/logins", table=True)],
        overrides=[
            column("protocol", "Protocol", 90),
            column("result", "Result", None, words=RESULTS),
            column("logins", "Logins", 90, unit=Unit.COUNT),
            column("newest", "Newest", 142, unit=Unit.AGO),
        ],
    )


def accounts() -> Json:
    """Return the text on whose logins they are."""
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
