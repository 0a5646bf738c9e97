"""The panels that Grafana Live moves: what happens now, without queries (docs/live.md).

Each window is pushed whole, so a panel shows as many points as its window has rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from grafana.columns import coloured, column, hidden
from grafana.fields import Card, Colour, Scale, Unit
from grafana.panels import Style, table, timeseries
from grafana.targets import Live

if TYPE_CHECKING:
    from grafana.fields import Json

SECONDS, FIVE_SECONDS, NEWEST, TOP = 300, 60, 20, 20
"""Rows of the windows; `TOP` is the default of `live.top_domains`."""

NOW: Final = "Now, by Grafana Live"
"""The title of the rows. They are closed at first: without `collector.live`, Grafana shows its panels as loading."""

COUNTS: Final = ("queued", "delivered", "deferred", "bounced", "dropped")
OFF: Final = "It loads for ever without `collector.live`, and needs a range that ends now."
COLOURS: Final = (
    coloured("queued", Colour.OTHER),
    coloured("delivered", Colour.GOOD),
    coloured("deferred", Colour.WATCH),
    coloured("bounced", Colour.BAD),
    coloured("dropped", Colour.FAINT),
)


def traffic_now(number: int) -> Json:
    """Return the chart of the outbound mail of each second."""
    card = Card(
        id=number,
        title="The last five minutes, live",
        description=(
            "Outbound mail of all clusters in each second: recipients queued and dropped, attempts delivered, deferred "
            f"and bounced. The last second is not over yet. {OFF}"
        ),
        width=8,
        height=8,
    )
    return timeseries(
        card,
        [Live("traffic", ("time", *COUNTS), rows=SECONDS)],
        Scale(Unit.COUNT),
        style=Style.LINES,
        overrides=COLOURS,
    )


def newest_events(number: int) -> Json:
    """Return the table of the newest events."""
    card = Card(
        id=number,
        title="Newest events, live",
        description=(
            "The 20 newest events of all clusters, without people: for one person's mail see Message trace. "
            f"The pattern is the reply without its changing parts. {OFF}"
        ),
        width=16,
        height=8,
    )
    fields = ("action", "sender_domain", "recipient_domain", "provider", "reason", "response_pattern")
    return table(
        card,
        [Live("ticker", ("time", *fields), rows=NEWEST)],
        overrides=[
            column("time", "Time", 90, unit=Unit.TIME),
            column("action", "Event", 90, words={"bounced": Colour.BAD, "deferred": Colour.WATCH}),
            column("sender_domain", "From", 130),
            column("recipient_domain", "To", 130),
            column("provider", "Provider", 90),
            column("reason", "Reason", 110),
            column("response_pattern", "Reply", None),
        ],
        sort=("Time", True),
    )


def queue_now(number: int) -> Json:
    """Return the chart of the queue of each second."""
    card = Card(
        id=number,
        title="The last five minutes, live",
        description=(
            "Recipients that wait, of all clusters: for their first attempt, and for a retry. "
            f"A queue that falls drains by itself. {OFF}"
        ),
        width=24,
        height=7,
    )
    return timeseries(
        card,
        [Live("queue", ("time", "deferred", "queued"), rows=SECONDS)],
        Scale(Unit.COUNT),
        style=Style.AREAS,
        overrides=[coloured("queued", Colour.OTHER), coloured("deferred", Colour.WATCH)],
    )


def tenant_now(number: int) -> Json:
    """Return the chart of the chosen domain's mail."""
    card = Card(
        id=number,
        title="The chosen domain, live",
        description=(
            "Its mail in each five seconds of the last five minutes. Live shows one watched domain, not all: choose "
            f"one above that `live.watched_domains` names. {OFF}"
        ),
        width=10,
        height=8,
    )
    return timeseries(
        card,
        [Live("domain_$tenant", ("time", *COUNTS), rows=FIVE_SECONDS)],
        Scale(Unit.COUNT, empty="not in live.watched_domains"),
        style=Style.LINES,
        overrides=COLOURS,
    )


def top_domains(number: int) -> Json:
    """Return the table of the sender domains with the most mail."""
    card = Card(
        id=number,
        title="Domains with the most mail, live",
        description=f"Sums of the last five minutes, also of domains that are not watched. {OFF}",
        width=14,
        height=8,
    )
    return table(
        card,
        [Live("top_domains", ("time", "domain", *COUNTS), rows=TOP)],
        overrides=[
            hidden("time"),
            column("domain", "Domain", None),
            *[column(name, name.capitalize(), 110, unit=Unit.COUNT) for name in COUNTS],
        ],
    )
