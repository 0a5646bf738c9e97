"""The row of ZoneMTA. The names are those of ZoneMTA 3.10 (`lib/metrics.js`: no suffix `_total`, no histograms)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import coloured
from grafana.dashboards.mta.charts import MTA, course, rate
from grafana.fields import Colour, Unit
from grafana.panels import Style
from grafana.targets import PromQL

if TYPE_CHECKING:
    from grafana.fields import Json


def zonemta() -> list[Json]:
    """Return the row's charts."""
    return [_attempts(), _queue(), _taken(), _by_zone(), _removed(), _pools()]


def _attempts() -> Json:
    return course(
        10,
        "Delivery attempts by status",
        "Attempts per second, one for each recipient. If deferred grows, see Bounces & deferrals for the replies. "
        "`unknown` is a release without a status.",
        rate("zonemta_delivery_status", "status", MTA, "{{status}}"),
        Unit.PER_SECOND,
        style=Style.BARS,
        overrides=[
            coloured("delivered", Colour.GOOD),
            coloured("deferred", Colour.WATCH),
            coloured("rejected", Colour.BAD),
        ],
    )


def _queue() -> Json:
    return course(
        11,
        "Queue",
        "Recipients that are due now and later. Every instance counts the same collection, so the largest counts. "
        "If `queued` grows, the senders cannot keep up; if `deferred` grows, receivers make us wait.",
        [PromQL(f"max by (type) (zonemta_queue_size{{{MTA}}})", "{{type}}")],
        Unit.COUNT,
    )


def _taken() -> Json:
    return course(
        12,
        "Messages taken into the queue",
        "Per second. `fail` means that ZoneMTA could not write to MongoDB.",
        rate("zonemta_message_push", "result", MTA, "{{result}}"),
        Unit.PER_SECOND,
        overrides=[coloured("fail", Colour.BAD)],
    )


def _by_zone() -> Json:
    return course(
        13,
        "Deliveries by zone",
        "Delivered per second. A zone that stops while its queue grows is stuck: see Queue.",
        rate("zonemta_delivery_status", "zone", f'{MTA}, status="delivered"', "{{zone}}"),
        Unit.PER_SECOND,
    )


def _removed() -> Json:
    return course(
        14,
        "Bounce messages and drops",
        "Bounce messages generated (fewer than bounces: none is sent to an empty sender) and messages removed "
        "by command, per second.",
        [
            PromQL(f"sum(rate(zonemta_bounce_generation{{{MTA}}}[$__rate_interval]))", "bounce messages"),
            PromQL(f"sum(rate(zonemta_message_drop{{{MTA}}}[$__rate_interval]))", "dropped", ref="B"),
        ],
        Unit.PER_SECOND,
    )


def _pools() -> Json:
    return course(
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
    )
