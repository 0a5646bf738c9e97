"""The first row of *Overview*: a verdict on each stage of mail and events, the alerts, and links to the details."""

from __future__ import annotations

from grafana.alerts import firing
from grafana.fields import Card, Colour, Json, State
from grafana.links import DashboardUid, in_text
from grafana.more_panels import alert_list, text
from grafana.panels import state_timeline
from grafana.targets import PromQL, Sql

HEIGHT = 10

VERDICTS = (
    State(0, "fine", Colour.GOOD),
    State(1, "too little mail to judge", Colour.FAINT),
    State(2, "not watched", Colour.FAINT),
    State(10, "deferred: wait", Colour.WATCH),
    State(11, "refused: act", Colour.BAD),
    State(20, "no mail comes in", Colour.BAD),
    State(21, "senders are refused", Colour.BAD),
    State(30, "growing", Colour.WATCH),
    State(31, "doubled in 30 minutes", Colour.BAD),
    State(40, "listed", Colour.WATCH),
    State(41, "listed, critical", Colour.BAD),
    State(50, "late", Colour.WATCH),
    State(51, "stopped", Colour.BAD),
    State(60, "errors", Colour.WATCH),
    State(61, "does not write", Colour.BAD),
    State(70, "an alert fires", Colour.WATCH),
    State(71, "a critical alert fires", Colour.BAD),
)
"""The states that the expressions below and queries/overview/verdict_*.sql return as numbers."""

_QUEUED = 'sum(duckwatch_queue_messages{mail_cluster=~"$cluster"})'
_QUEUED_BEFORE = 'sum(duckwatch_queue_messages{mail_cluster=~"$cluster"} offset 30m)'
QUEUE = (
    f"(30 * (({_QUEUED} > bool 1.2 * {_QUEUED_BEFORE}) * ({_QUEUED} > bool 100))"
    f" + ({_QUEUED} > bool 2 * {_QUEUED_BEFORE}) * ({_QUEUED} > bool 100)) or 0 * {_QUEUED} or vector(2)"
)

BLOCKLISTS = (
    '41 * max(duckwatch_dnsbl_listing_info{severity="critical"}) or 40 * max(duckwatch_dnsbl_listing_info)'
    " or 0 * max(duckwatch_dnsbl_targets) or vector(2)"
)

_SILENCE = (
    "max(max(duckwatch_journal_oldest_age_seconds)"
    ' or label_replace(time() - min(duckwatch_plugin_last_seen_timestamp_seconds{mail_cluster=~"$cluster"}),'
    ' "host", "any", "", ""))'
)
INGEST = f"50 * ({_SILENCE} > bool 60) + ({_SILENCE} > bool 300) or vector(2)"
"""The larger of two ages decides: of the most silent plugin's last heartbeat, and of the oldest journal entry.

Each plugin sends a heartbeat every 30 s.
"""

_ERRORS = 'sum(rate(duckwatch_store_errors_total{kind!="bad_row"}[$__rate_interval]))'
DATABASE = (
    f"60 * ({_ERRORS} > bool 0) + ({_ERRORS} > bool 0) * (max(duckwatch_journal_oldest_age_seconds) > bool 60)"
    " or 0 * max(duckwatch_build_info) or vector(2)"
)

_CRITICAL = firing('severity="critical"')
_OTHERS = firing('severity!~"critical|none"')
ALERTING = (
    f"71 * max({_CRITICAL}) or 70 * max({_OTHERS})"
    ' or 0 * max(ALERTS{alertname="DuckwatchWatchdog",alertstate="firing"}) or vector(2)'
)
"""Without the watchdog, which always fires, the rules are not evaluated."""


def verdicts() -> Json:
    """Return the state timeline: one line for each stage that mail and its events pass."""
    return state_timeline(
        Card(
            id=7,
            title="Verdicts",
            description=(
                "Point at a colour to see the verdict. Orange: watch it. Red: act. Grey: too little to judge (fewer "
                "than 100 in half an hour), or no source that tells. "
                "Injection and delivery judge the half hour before each point (in a range of over three days, an "
                "hour). "
                "Injection: red when a tenth of the messages is refused, or none comes in where the range has 100 in "
                "half an hour. "
                "Delivery, of the five providers with the most attempts: orange when three tenths of the attempts are "
                "deferred, which may pass by itself; red when a tenth of the finished recipients bounced, which does "
                "not. "
                "Queue: recipients that wait, against half an hour before. "
                "Blocklists: addresses and domains of yours on a list. "
                "Ingest: nothing heard from a plugin, or a request waiting, for a minute (orange) or five (red): then "
                "this page is late. "
                "Database: writes that fail. "
                "Alerts: whether one fires for these clusters, or for none in particular; grey without alert rules."
            ),
            width=13,
            height=HEIGHT,
        ),
        [
            Sql("overview/verdict_injection"),
            Sql("overview/verdict_delivery", ref="B"),
            PromQL(QUEUE, "Queue", ref="C"),
            PromQL(BLOCKLISTS, "Blocklists", ref="D"),
            PromQL(INGEST, "Ingest", ref="E"),
            PromQL(DATABASE, "Database", ref="F"),
            PromQL(ALERTING, "Alerts", ref="G"),
        ],
        VERDICTS,
    )


def alerts() -> Json:
    """Return the list of the alerts that fire or are pending."""
    return alert_list(
        Card(
            id=8,
            title="Alerts",
            description=(
                "Alerts of duckwatch that fire or are pending, of every cluster, the oldest first. An empty list is "
                "good news only where the rules are loaded: DuckwatchWatchdog fires always, so it must be here."
            ),
            width=6,
            height=HEIGHT,
        )
    )


def where_next() -> Json:
    """Return the text panel with links to the dashboards that explain the verdicts."""
    lines = (
        (in_text(DashboardUid.DELIVERY, "Delivery"), "one provider or all? one of our addresses or all?"),
        (in_text(DashboardUid.BOUNCES, "Bounces and deferrals"), "what do they say? is that reply new?"),
        (in_text(DashboardUid.QUEUE, "Queue"), "will it drain by itself?"),
        (in_text(DashboardUid.REPUTATION, "Reputation"), "listed where, since when, does it cost mail?"),
        (in_text(DashboardUid.TRACE, "Message trace"), "did this one message get out?"),
        (in_text(DashboardUid.TENANTS, "Tenants"), "which customer?"),
        (in_text(DashboardUid.INBOUND, "Inbound and logins"), "who cannot log in?"),
        (in_text(DashboardUid.MTA, "MTA"), "is ZoneMTA itself well?"),
        (in_text(DashboardUid.DUCKWATCH, "duckwatch"), "is this picture late?"),
    )
    return text(
        Card(
            id=9,
            title="Where to look next",
            description="Each link keeps the time range and the clusters.",
            width=5,
            height=HEIGHT,
        ),
        "\n".join(f"- **{link}**: {question}" for link, question in lines),
    )
