"""The metrics of ZoneMTA and of WildDuck that panels may read, with their labels.

ZoneMTA 3.10.18, `lib/metrics.js`; WildDuck 1.50.0, `lib/metrics.js` (there since 1.49.6).
"""

from __future__ import annotations

ZONEMTA: dict[str, tuple[str, ...]] = {
    "zonemta_delivery_status": ("status", "zone"),
    "zonemta_message_push": ("result",),
    "zonemta_bounce_generation": (),
    "zonemta_message_drop": (),
    "zonemta_connection_reuses": (),
    "zonemta_connection_pool_size": (),
    "zonemta_queue_size": ("type",),
    "zonemta_blacklisted": (),
}

WILDDUCK: dict[str, tuple[str, ...]] = {
    "wildduck_info": ("version",),
    "wildduck_service_up": ("service",),
    "wildduck_api_requests_total": ("method", "route", "status"),
    "wildduck_api_request_duration_seconds": ("method", "route", "status"),
    "wildduck_auth_attempts_total": ("service", "scope", "result"),
    "wildduck_connections": ("service",),
    "wildduck_imap_commands_total": ("command", "result"),
    "wildduck_imap_command_duration_seconds": ("command", "result"),
    "wildduck_pop3_command_duration_seconds": ("command", "result"),
    "wildduck_lmtp_recipients_total": ("result",),
    "wildduck_message_operations_total": ("operation", "source", "result"),
    "wildduck_message_operation_duration_seconds": ("operation", "source", "result"),
    "wildduck_tasks": ("type", "status"),
    "wildduck_bullmq_jobs": ("queue", "state"),
    "wildduck_webhook_posts_total": ("event", "result", "status_class"),
}
