"""The row of the collector's jobs and resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.dashboards.duckwatch.charts import NONE_YET, course
from grafana.fields import Card, Colour, Scale, Step, Unit
from grafana.more_panels import bar_gauge
from grafana.panels import Style
from grafana.targets import PromQL

if TYPE_CHECKING:
    from grafana.fields import Json


def inside() -> list[Json]:
    """Return the charts of jobs, connections, resource shortages, memory and credentials."""
    return [_last_success(), _failed_runs(), _connections(), _shortages(), _batches(), _credentials()]


def _last_success() -> Json:
    return bar_gauge(
        Card(
            id=60,
            title="Last success of each job",
            description=(
                "Time since then. Roll-ups that are late make charts of long ranges stale; "
                "late retention fills the disk."
            ),
            width=8,
            height=8,
        ),
        [PromQL("time() - max by (task) (duckwatch_job_last_success_timestamp_seconds)", "{{task}}", instant=True)],
        Scale(Unit.SECONDS),
    )


def _failed_runs() -> Json:
    return course(
        61,
        "Failed runs of jobs",
        "The log has the error of each run.",
        [PromQL('sum by (task) (increase(duckwatch_job_runs_total{result="failed"}[$__rate_interval]))', "{{task}}")],
        Scale(Unit.COUNT),
        style=Style.BARS,
        empty=NONE_YET,
    )


def _connections() -> Json:
    return course(
        62,
        "Connections",
        "Open HTTP connections and their limit. At the limit strangers are displaced before senders: find out who "
        "connects, or raise the limit of open files.",
        [
            PromQL("sum(duckwatch_http_connections)", "open"),
            PromQL("sum(duckwatch_http_connections_limit)", "limit", ref="B"),
        ],
        Scale(Unit.COUNT),
    )


def _shortages() -> Json:
    return course(
        63,
        "Shortages",
        "Times that the collector's machine had too few descriptors, threads, or too little memory or disk. Give it "
        "more of what is named: docs/operations.md.",
        [PromQL("sum by (resource) (increase(duckwatch_resource_shortages_total[$__rate_interval]))", "{{resource}}")],
        Scale(Unit.COUNT),
        style=Style.BARS,
        empty=NONE_YET,
    )


def _batches() -> Json:
    return course(
        64,
        "Batches and their events",
        "Committed batches and events per second. Few large batches mean that the writer catches up.",
        [
            PromQL("sum(rate(duckwatch_store_batch_events_count[$__rate_interval]))", "batches"),
            PromQL("sum(rate(duckwatch_store_batch_events_sum[$__rate_interval]))", "events", ref="B"),
        ],
        Scale(Unit.PER_SECOND),
    )


def _credentials() -> Json:
    return course(
        65,
        "Credentials and certificate",
        "1 while the newest ones are in use; 0 when a changed file could not be read: the log names it.",
        [PromQL("min by (instance) (duckwatch_config_last_reload_successful)", "{{instance}}")],
        Scale(Unit.NONE, (Step(Colour.BAD), Step(Colour.GOOD, 1)), maximum=1),
        style=Style.STEPS,
    )
