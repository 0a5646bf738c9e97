"""*MTA itself*: the metrics of ZoneMTA and WildDuck, beside duckwatch's metrics of their mail.

The metric names are those of ZoneMTA 3.10 (`lib/metrics.js`: no suffix `_total`, no histograms).
WildDuck has metrics since 1.49.6 (`lib/metrics.js`, off by default).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import coloured
from grafana.fields import Card, Colour, Scale, State, Unit
from grafana.layout import Row
from grafana.links import Board
from grafana.more_panels import text
from grafana.pages import Page, dashboard
from grafana.panels import Style, state_timeline, timeseries
from grafana.targets import PromQL
from grafana.variables import SOURCES, LabelVariable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana.fields import Json, Override
    from grafana.settings import Settings

PAGE = Page(
    board=Board.MTA,
    title="MTA itself",
    description="ZoneMTA's and WildDuck's own metrics, where Prometheus scrapes them: processes, queues, requests.",
    variables=(
        SOURCES[1],
        LabelVariable("zonemta", "ZoneMTA", "zonemta_queue_size", "instance"),
        LabelVariable("wildduck", "WildDuck", "wildduck_info", "instance"),
    ),
)

MTA = 'instance=~"$zonemta"'
DUCK = 'instance=~"$wildduck"'

UP = (State(-1, "no metrics", Colour.FAINT), State(0, "down", Colour.BAD), State(1, "up", Colour.GOOD))

NO_ZONEMTA = "no samples: nothing was counted yet, or Prometheus does not scrape ZoneMTA"
NO_WILDDUCK = "no samples: nothing was counted yet, or Prometheus does not scrape WildDuck"


def build(settings: Settings) -> Json:
    """Return the dashboard, normalised."""
    rows = [
        Row([_sources()]),
        Row(_zonemta(), "ZoneMTA", 100),
        Row([_services(), *_requests()], "WildDuck: services and requests", 200),
        Row(_messages(), "WildDuck: messages and background work", 300),
    ]
    return dashboard(PAGE, rows, settings)


def _sources() -> Json:
    return text(
        Card(
            id=1,
            title="Where these numbers come from",
            description="Where Prometheus does not scrape a program, its panels say so.",
            width=24,
            height=3,
        ),
        "ZoneMTA shows its metrics on its API server (`/metrics`, port 12080), WildDuck from 1.49.6 on "
        "with `[metrics] enabled=true`. "
        "They count from the program's start and know no recipient, provider or reply: "
        "for those use the dashboards of duckwatch.",
    )


def _course(
    number: int,
    title: str,
    description: str,
    targets: Sequence[PromQL],
    unit: Unit,
    *,
    style: Style = Style.LINES,
    overrides: Sequence[Override] = (),
) -> Json:
    """Return a time series panel that is a third of the page wide."""
    missing = NO_ZONEMTA if MTA in targets[0].expr else NO_WILDDUCK
    card = Card(id=number, title=title, description=description, width=8, height=8, empty=missing)
    return timeseries(card, targets, Scale(unit), style=style, overrides=overrides)


def _rate(metric: str, by: str, where: str, legend: str) -> list[PromQL]:
    return [PromQL(f"sum by ({by}) (rate({metric}{{{where}}}[$__rate_interval]))", legend)]


def _zonemta() -> list[Json]:
    return [
        _course(
            10,
            "Delivery attempts by status",
            "Attempts per second, one for each recipient. If deferred grows, see Bounces & deferrals for the replies. "
            "`unknown` is a release without a status.",
            _rate("zonemta_delivery_status", "status", MTA, "{{status}}"),
            Unit.PER_SECOND,
            style=Style.BARS,
            overrides=[
                coloured("delivered", Colour.GOOD),
                coloured("deferred", Colour.WATCH),
                coloured("rejected", Colour.BAD),
            ],
        ),
        _course(
            11,
            "Queue",
            "Recipients that are due now and later. Every instance counts the same collection, so the largest counts. "
            "If `queued` grows, the senders cannot keep up; if `deferred` grows, receivers make us wait.",
            [PromQL(f"max by (type) (zonemta_queue_size{{{MTA}}})", "{{type}}")],
            Unit.COUNT,
        ),
        _course(
            12,
            "Messages taken into the queue",
            "Per second. `fail` means that ZoneMTA could not write to MongoDB.",
            _rate("zonemta_message_push", "result", MTA, "{{result}}"),
            Unit.PER_SECOND,
            overrides=[coloured("fail", Colour.BAD)],
        ),
        _course(
            13,
            "Deliveries by zone",
            "Delivered per second. A zone that stops while its queue grows is stuck: see Queue.",
            _rate("zonemta_delivery_status", "zone", f'{MTA}, status="delivered"', "{{zone}}"),
            Unit.PER_SECOND,
        ),
        _course(
            14,
            "Bounce messages and drops",
            "Bounce messages generated (fewer than bounces: none is sent to an empty sender) and messages removed "
            "by command, per second.",
            [
                PromQL(f"sum(rate(zonemta_bounce_generation{{{MTA}}}[$__rate_interval]))", "bounce messages"),
                PromQL(f"sum(rate(zonemta_message_drop{{{MTA}}}[$__rate_interval]))", "dropped", ref="B"),
            ],
            Unit.PER_SECOND,
        ),
        _course(
            15,
            "Connections and pauses",
            "Open connections in pools (this gauge drifts when a sender process dies), reuses per second, "
            "and pairs of a domain and an address that ZoneMTA has set aside for six hours.",
            [
                PromQL(f"sum by (instance) (zonemta_connection_pool_size{{{MTA}}})", "pooled {{instance}}"),
                PromQL(f"sum(rate(zonemta_connection_reuses{{{MTA}}}[$__rate_interval]))", "reuses per s", ref="B"),
                PromQL(f"sum by (instance) (zonemta_blacklisted{{{MTA}}})", "set aside {{instance}}", ref="C"),
            ],
            Unit.COUNT,
        ),
    ]


def _services() -> Json:
    return state_timeline(
        Card(
            id=20,
            title="Services",
            description="WildDuck's state of each of its services. A service that is down does no work: see its log.",
            width=8,
            height=8,
        ),
        [
            PromQL(f"min by (service) (wildduck_service_up{{{DUCK}}})", "{{service}}"),
            # A state timeline without a series shows an error of its own.
            PromQL(f"vector(-1) unless on () wildduck_service_up{{{DUCK}}}", "WildDuck is not scraped", ref="B"),
        ],
        UP,
    )


def _requests() -> list[Json]:
    return [
        _course(
            21,
            "API requests by status",
            "Per second. 5xx: see WildDuck's log, and MongoDB and Redis.",
            _rate("wildduck_api_requests_total", "status", DUCK, "{{status}}"),
            Unit.PER_SECOND,
        ),
        _course(
            22,
            "Time of commands, p95",
            "API requests, IMAP and POP3 commands. If all grow, MongoDB is slow.",
            [
                PromQL.quantile(0.95, "wildduck_api_request_duration_seconds", "API", where=DUCK),
                PromQL.quantile(0.95, "wildduck_imap_command_duration_seconds", "IMAP", where=DUCK, ref="B"),
                PromQL.quantile(0.95, "wildduck_pop3_command_duration_seconds", "POP3", where=DUCK, ref="C"),
            ],
            Unit.SECONDS,
        ),
        _course(
            23,
            "Logins by result",
            "Attempts per second. Many `fail` from nowhere: see Inbound & logins for accounts and sources.",
            _rate("wildduck_auth_attempts_total", "service, result", DUCK, "{{service}}: {{result}}"),
            Unit.PER_SECOND,
        ),
        _course(
            24,
            "Connections",
            "Open client connections by service.",
            [PromQL(f"sum by (service) (wildduck_connections{{{DUCK}}})", "{{service}}")],
            Unit.COUNT,
        ),
        _course(
            25,
            "IMAP commands that failed",
            "`no`, `bad` and `error` answers per second. `bad` is a client's fault, `error` is WildDuck's.",
            _rate("wildduck_imap_commands_total", "result", f'{DUCK}, result!="ok"', "{{result}}"),
            Unit.PER_SECOND,
        ),
    ]


def _messages() -> list[Json]:
    return [
        _course(
            30,
            "Mail taken by LMTP",
            "Recipients per second by result. Refused recipients come back to ZoneMTA's or Haraka's queue.",
            _rate("wildduck_lmtp_recipients_total", "result", DUCK, "{{result}}"),
            Unit.PER_SECOND,
        ),
        _course(
            31,
            "Message operations",
            "Stored, copied, deleted and other operations per second.",
            _rate("wildduck_message_operations_total", "operation, result", DUCK, "{{operation}}: {{result}}"),
            Unit.PER_SECOND,
        ),
        _course(
            32,
            "Time of message operations, p95",
            "By operation. If it grows, MongoDB or its disk is the limit.",
            [
                PromQL.quantile(
                    0.95, "wildduck_message_operation_duration_seconds", "{{operation}}", by="operation", where=DUCK
                )
            ],
            Unit.SECONDS,
        ),
        _course(
            33,
            "Background jobs",
            "Jobs by queue and state, finished ones left out. A queue that only grows has no worker.",
            [
                PromQL(
                    f'max by (queue, state) (wildduck_bullmq_jobs{{{DUCK}, state!~"completed"}})',
                    "{{queue}}: {{state}}",
                )
            ],
            Unit.COUNT,
        ),
        _course(
            34,
            "Webhook posts",
            "Per second by result. WildDuck tries five times within 30 s; then the webhook's event is lost.",
            _rate("wildduck_webhook_posts_total", "result, status_class", DUCK, "{{result}} {{status_class}}"),
            Unit.PER_SECOND,
        ),
        _course(
            35,
            "Tasks",
            "Tasks by type and status. A status that never changes means that the task runner is stuck.",
            [PromQL(f"max by (type, status) (wildduck_tasks{{{DUCK}}})", "{{type}}: {{status}}")],
            Unit.COUNT,
        ),
    ]
