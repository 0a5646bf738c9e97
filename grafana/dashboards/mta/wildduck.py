"""The rows of WildDuck, which has metrics since 1.49.6 (`lib/metrics.js`, off by default)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.dashboards.mta.charts import DUCK, course, rate
from grafana.fields import Card, Colour, State, Unit
from grafana.panels import state_timeline
from grafana.targets import PromQL

if TYPE_CHECKING:
    from grafana.fields import Json

UP = (State(-1, "no metrics", Colour.FAINT), State(0, "down", Colour.BAD), State(1, "up", Colour.GOOD))


def services_and_requests() -> list[Json]:
    """Return the state of each service, and the charts of what clients ask for."""
    return [_services(), _api(), _command_times(), _logins(), _connections(), _imap_failures()]


def messages() -> list[Json]:
    """Return the charts of messages and background work."""
    return [_lmtp(), _operations(), _operation_times(), _jobs(), _webhooks(), _tasks()]


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


def _api() -> Json:
    return course(
        21,
        "API requests by status",
        "Per second. 5xx: see WildDuck's log, and MongoDB and Redis.",
        rate("wildduck_api_requests_total", "status", DUCK, "{{status}}"),
        Unit.PER_SECOND,
    )


def _command_times() -> Json:
    return course(
        22,
        "Time of commands, p95",
        "API requests, IMAP and POP3 commands. If all grow, MongoDB is slow.",
        [
            PromQL.quantile(0.95, "wildduck_api_request_duration_seconds", "API", where=DUCK),
            PromQL.quantile(0.95, "wildduck_imap_command_duration_seconds", "IMAP", where=DUCK, ref="B"),
            PromQL.quantile(0.95, "wildduck_pop3_command_duration_seconds", "POP3", where=DUCK, ref="C"),
        ],
        Unit.SECONDS,
    )


def _logins() -> Json:
    return course(
        23,
        "Logins by result",
        "Attempts per second. Many `fail` from nowhere: see Inbound & logins for accounts and sources.",
        rate("wildduck_auth_attempts_total", "service, result", DUCK, "{{service}}: {{result}}"),
        Unit.PER_SECOND,
    )


def _connections() -> Json:
    return course(
        24,
        "Connections",
        "Open client connections by service. Suddenly fewer: is WildDuck up? Suddenly more: see the logins on "
        "Inbound & logins.",
        [PromQL(f"sum by (service) (wildduck_connections{{{DUCK}}})", "{{service}}")],
        Unit.COUNT,
    )


def _imap_failures() -> Json:
    return course(
        25,
        "IMAP commands that failed",
        "`no`, `bad` and `error` answers per second. `bad` is a client's fault, `error` is WildDuck's.",
        rate("wildduck_imap_commands_total", "result", f'{DUCK}, result!="ok"', "{{result}}"),
        Unit.PER_SECOND,
    )


def _lmtp() -> Json:
    return course(
        30,
        "Mail taken by LMTP",
        "Recipients per second by result. Refused recipients come back to ZoneMTA's or Haraka's queue.",
        rate("wildduck_lmtp_recipients_total", "result", DUCK, "{{result}}"),
        Unit.PER_SECOND,
    )


def _operations() -> Json:
    return course(
        31,
        "Message operations",
        "Stored, copied, deleted and other operations per second. If failed ones rise, look at WildDuck's log and "
        "at MongoDB.",
        rate("wildduck_message_operations_total", "operation, result", DUCK, "{{operation}}: {{result}}"),
        Unit.PER_SECOND,
    )


def _operation_times() -> Json:
    return course(
        32,
        "Time of message operations, p95",
        "By operation. If it grows, MongoDB or its disk is the limit.",
        [
            PromQL.quantile(
                0.95, "wildduck_message_operation_duration_seconds", "{{operation}}", by="operation", where=DUCK
            )
        ],
        Unit.SECONDS,
    )


def _jobs() -> Json:
    return course(
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
    )


def _webhooks() -> Json:
    return course(
        34,
        "Webhook posts",
        "Per second by result. WildDuck tries five times within 30 s; then the webhook's event is lost.",
        rate("wildduck_webhook_posts_total", "result, status_class", DUCK, "{{result}} {{status_class}}"),
        Unit.PER_SECOND,
    )


def _tasks() -> Json:
    return course(
        35,
        "Tasks",
        "Tasks by type and status. A status that never changes means that the task runner is stuck.",
        [PromQL(f"max by (type, status) (wildduck_tasks{{{DUCK}}})", "{{type}}: {{status}}")],
        Unit.COUNT,
    )
