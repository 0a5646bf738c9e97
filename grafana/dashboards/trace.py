"""*Message trace*: the life of one message, found by queue id, Message-ID, sender or recipient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import column, hidden
from grafana.fields import Card, Colour, Override, Scale, State, Step, Unit
from grafana.layout import Row
from grafana.links import DashboardUid, of_column, to_dashboard
from grafana.pages import Page, dashboard
from grafana.panels import stat, state_timeline, table
from grafana.targets import PromQL, Sql
from grafana.variables import CHOICES, TextVariable

if TYPE_CHECKING:
    from grafana.fields import Json
    from grafana.settings import Settings

PAGE = Page(
    uid=DashboardUid.TRACE,
    title="Message trace",
    description="The life of one message, by queue id, Message-ID, sender or recipient.",
    variables=(*CHOICES, TextVariable("message", "Queue id, Message-ID or address")),
    start="now-24h",
    refresh="",
)

OUTCOMES = {
    "delivered": Colour.GOOD,
    "deferred": Colour.WATCH,
    **dict.fromkeys(("bounced", "dropped", "refused", "complained"), Colour.BAD),
    **dict.fromkeys(("queued", "deleted", "dsn_queued", "spam_checked", "virus_checked"), Colour.PLAIN),
    **dict.fromkeys(("released", "stored", "marked_spam", "marked_ham", "other"), Colour.PLAIN),
}
"""Every action: Grafana shows a word that has no colour in green."""

STANDING = (
    State(0, "waiting", Colour.OTHER),
    State(1, "deferred", Colour.WATCH),
    State(2, "delivered", Colour.GOOD),
    State(3, "bounced", Colour.BAD),
    State(4, "dropped, refused, deleted or released", Colour.FAINT),
    State(5, "nothing to show", Colour.FAINT),
)
"""The numbers of queries/trace/timeline.sql."""


def build(settings: Settings) -> Json:
    """Return the dashboard, normalised."""
    return dashboard(PAGE, [Row([_found(), _late()]), Row([_timeline(), _life()], "One message", 100)], settings)


def _found() -> Json:
    return table(
        Card(
            id=1,
            title="Messages found",
            description=(
                "Type into the field on top. Queue ids (also `id.recipient`), Message-IDs and recipients are found "
                "whenever they were sent; senders among the newest 100,000 events of the time range. Addresses are "
                "found as typed and in lower case. Click a message to see its life. Nothing found: shorten the time "
                "range for a sender, or use the command `duckwatch-collector trace`, which looks further."
            ),
            width=24,
            height=9,
            empty="no message: type a queue id, a Message-ID or an address above",
        ),
        [Sql("trace/found", table=True)],
        overrides=_columns_of_found(),
    )


def _columns_of_found() -> list[Override]:
    """Return the columns of the messages found; a message links to its life, in its own range."""
    return [
        column("time", "Queued", 165, unit=Unit.AT),
        column(
            "message",
            "Message",
            None,
            links=[
                to_dashboard(
                    DashboardUid.TRACE,
                    "Its life",
                    values={"message": of_column("message")},
                    span=("from_ms", "to_ms"),
                )
            ],
        ),
        column("sender", "Sender", 180),
        column("recipients", "Recipients", 115, unit=Unit.COUNT),
        column("delivered", "Delivered", 110, unit=Unit.COUNT),
        column("deferred", "Deferrals", 110, unit=Unit.COUNT),
        column("bounced", "Bounced", 105, unit=Unit.COUNT),
        column("newest", "Newest event", 165, unit=Unit.AT),
        column("cluster", "Cluster", 110),
        hidden("from_ms"),
        hidden("to_ms"),
    ]


def _late() -> Json:
    return stat(
        Card(
            id=2,
            title="Newest stored event",
            description=(
                "Age of the newest event of each cluster. What happened since is not shown here yet. "
                "Above five minutes with mail flowing, look at the collector first."
            ),
            width=24,
            height=4,
            empty="no event yet",
        ),
        [
            PromQL(
                "time() - max by (mail_cluster) "
                '(duckwatch_last_event_timestamp_seconds{mail_cluster=~"$cluster",source="plugin"})',
                "{{mail_cluster}}",
                instant=True,
            )
        ],
        Scale(Unit.SECONDS, (Step(Colour.PLAIN), Step(Colour.WATCH, 300))),
        named=True,
        course=False,
    )


def _timeline() -> Json:
    return state_timeline(
        Card(
            id=3,
            title="Timeline",
            description=(
                "Where each recipient of the message stood, of at most 40. The colour lasts until the next event. "
                "Orange: the other server defers, ZoneMTA tries again by itself. Red: it is over, read the reply "
                "below. No message: none was typed above, or it lies outside the time range, click it above."
            ),
            width=24,
            height=9,
        ),
        [Sql("trace/timeline")],
        STANDING,
    )


def _life() -> Json:
    return table(
        Card(
            id=4,
            title="Life of the message",
            description=(
                "Each event of the message, oldest first; it is empty for an address: click a message above. "
                "The reply is what the other server said last. A bounce message that was sent for it is a link."
            ),
            width=24,
            height=14,
            empty="no message: click one above",
        ),
        [Sql("trace/life", table=True)],
        overrides=_columns_of_life(),
    )


def _columns_of_life() -> list[Override]:
    """Return the columns of a message's events."""
    return [
        column("time", "Time", 170, unit=Unit.AT),
        column("action", "Event", 125, words=OUTCOMES),
        column("recipient", "Recipient", 210),
        column("reason", "Reason", 110),
        column("response", "Reply", 350),
        column("attempt", "Attempt", 95, unit=Unit.NONE),
        column("next_attempt", "Next attempt", 170, unit=Unit.AT),
        column("provider", "Provider", 95),
        column("mx_host", "MX host", 190),
        column("local_ip", "Sent from", 120),
        column("queue_ms", "In the queue", 125, unit=Unit.MILLISECONDS),
        column("smtp_ms", "SMTP session", 135, unit=Unit.MILLISECONDS),
        column("tls_version", "TLS", 80),
        column("sender", "Sender", 210),
        column("zone", "Zone", 90),
        column("host", "Mail host", 110),
        column("source", "Reported by", 130),
        column("queue_id", "Queue id", 170),
        column("seq", "Recipient no.", 135),
        column(
            "bounce_id",
            "Bounce message",
            170,
            links=[to_dashboard(DashboardUid.TRACE, "Its life", values={"message": of_column("bounce_id")})],
        ),
        column("cluster", "Cluster", 110),
    ]
