"""The rows of what was said, and by whom: replies, providers' own codes, domains that refuse everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import column, organised
from grafana.dashboards._provider_codes import BY_CODE
from grafana.fields import TOO_LITTLE, Card, Colour, State, Unit
from grafana.links import DashboardUid, of_column, to_dashboard
from grafana.panels import table
from grafana.targets import PromQL, Sql

if TYPE_CHECKING:
    from grafana.fields import Json

VERDICTS = (
    State("takes nothing", "takes nothing", Colour.BAD),
    State("refuses most", "refuses most", Colour.WATCH),
    State("takes most", "takes most", Colour.PLAIN),
    State(TOO_LITTLE, "too little mail", Colour.PLAIN),
)
"""Those of queries/bounces/refusing_domains.sql; the last one shortened, so that it fits."""


def replies() -> list[Json]:
    """Return the tables of replies and of providers' codes."""
    return [_patterns(), _codes()]


def _patterns() -> Json:
    return table(
        Card(
            id=7,
            title="Replies",
            description=(
                "The most frequent kinds of replies, ids and addresses replaced; counts are of whole hours. `new` is "
                "new since yesterday: first seen in the last day of the range; `(no reply)` and `other`, the rest, are "
                "never new. A new reply with many bounces is the first thing to read. The example opens the newest "
                "message that got it."
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
            column("last_seen", "Last seen", 142, unit=Unit.AGO),
            column(
                "example",
                "Example",
                120,
                links=[to_dashboard(DashboardUid.TRACE, "Its life", values={"message": of_column("example")})],
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


def domains() -> Json:
    """Return the table of the recipient domains that refuse most."""
    return table(
        Card(
            id=9,
            title="Recipient domains that refuse most",
            description=(
                "At most 100; those that take nothing come first, however small. A domain that took nothing since "
                "its first failure has blocked us, or is broken: the main reason tells which. Times are whole hours; "
                "the 5,000 domains of an hour with the most failures are known. Without a colour: the domain takes "
                "most, or there are fewer than 100 attempts."
            ),
            width=24,
            height=10,
        ),
        [Sql("bounces/refusing_domains", table=True)],
        overrides=[
            column("domain", "Recipient domain", None),
            column("providers", "Provider", 110),
            column("attempts", "Attempts", 98, unit=Unit.COUNT),
            column("delivered", "Delivered", 104, unit=Unit.COUNT),
            column("deferred", "Deferred", 98, unit=Unit.COUNT),
            column("bounced", "Bounced", 96, unit=Unit.COUNT),
            column("failed_share", "Failed", 85, unit=Unit.RATIO, decimals=1),
            column("verdict", "Verdict", 140, words=VERDICTS),
            column("reason", "Main reason", 125),
            column("first_failure", "First failure", 165, unit=Unit.AT),
            column("last_success", "Last success", 142, unit=Unit.AGO, empty="none in this time"),
        ],
    )
