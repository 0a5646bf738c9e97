"""The rows of the plugins and of the backup sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import column, organised
from grafana.dashboards.duckwatch.charts import ANY_IS_BAD, HERE, LATE, NONE_YET, course
from grafana.fields import Card, Scale, Unit
from grafana.panels import Style, table
from grafana.targets import PromQL

if TYPE_CHECKING:
    from grafana.fields import Json

BY_HOST = f"max by (mail_cluster, host) (%s{{{HERE}}})"


def plugins() -> list[Json]:
    """Return the table and the charts of the plugin on each mail host."""
    return [_reporting(), _spools(), _silence(), _newest_event()]


def _reporting() -> Json:
    return table(
        Card(
            id=40,
            title="Plugins",
            description=(
                "Each mail host whose plugin reports. A host with a spool that grows cannot reach the collector, "
                "or the collector answers 503. Dropped events are lost: give the plugin's spool more room."
            ),
            width=24,
            height=8,
            empty="no plugin has reported yet: see docs/installation.md",
        ),
        _of_each_host(),
        transformations=[
            {"id": "merge", "options": {}},
            organised(
                ["mail_cluster", "host", "version", "Value #B", "Value #C", "Value #D"],
                without=["Time", "Value #A"],
            ),
        ],
        overrides=[
            column("mail_cluster", "Cluster", 160),
            column("host", "Host", None),
            column("version", "Version", 120),
            column("Value #B", "Last heartbeat ago", 170, unit=Unit.SECONDS, thresholds=LATE),
            column("Value #C", "Spool", 120, unit=Unit.BYTES),
            column("Value #D", "Dropped", 120, unit=Unit.COUNT, decimals=0, thresholds=ANY_IS_BAD),
        ],
    )


def _of_each_host() -> list[PromQL]:
    """Return the version, the silence, the spool and the lost events of each mail host."""
    return [
        PromQL(
            f"max by (mail_cluster, host, version) (duckwatch_plugin_info{{{HERE}}})",
            "version",
            instant=True,
            table=True,
        ),
        PromQL(
            f"time() - {BY_HOST % 'duckwatch_plugin_last_seen_timestamp_seconds'}",
            "silent",
            "B",
            instant=True,
            table=True,
        ),
        PromQL(BY_HOST % "duckwatch_plugin_spool_bytes", "spool", "C", instant=True, table=True),
        PromQL(
            f"max by (mail_cluster, host) (increase(duckwatch_plugin_dropped_events_total{{{HERE}}}[$__range]))",
            "dropped",
            "D",
            instant=True,
            table=True,
        ),
    ]


def _spools() -> Json:
    return course(
        41,
        "Spools",
        "Bytes that plugins have still to send, per host. One grows: look at that host's log and network. "
        "All grow: look at the collector and its journal.",
        [PromQL(BY_HOST % "duckwatch_plugin_spool_bytes", "{{mail_cluster}} / {{host}}")],
        Scale(Unit.BYTES),
    )


def _silence() -> Json:
    return course(
        42,
        "Silence",
        "Time since each host's last heartbeat; one comes every 30 s at the latest. Silent: see whether ZoneMTA "
        "runs on that host, and reaches the collector.",
        [
            PromQL(
                f"time() - {BY_HOST % 'duckwatch_plugin_last_seen_timestamp_seconds'}",
                "{{mail_cluster}} / {{host}}",
            )
        ],
        Scale(Unit.SECONDS, LATE),
    )


def _newest_event() -> Json:
    return course(
        43,
        "Newest event by source",
        "Age of the newest committed event. A source that alone is silent is broken, or has no mail.",
        [
            PromQL(
                f"time() - max by (mail_cluster, source) (duckwatch_last_event_timestamp_seconds{{{HERE}}})",
                "{{mail_cluster}} / {{source}}",
            )
        ],
        Scale(Unit.SECONDS),
        empty="no event was stored yet",
    )


def sources() -> list[Json]:
    """Return the charts of the events from backup sources, and of the delay of those sources."""
    return [_gaps(), _lag(), _feed_errors(), _gelf(), _corrected(), _telemetry()]


def _gaps() -> Json:
    return course(
        50,
        "Gaps that backup sources filled",
        "Rows that only a backup source reported. `missed`: the plugin should have reported them, so it or the way "
        "to the collector was broken. `no_plugin`: the cluster has none. `never_sent`: ZoneMTA has no such hook.",
        [
            PromQL(
                f"sum by (source, reason) (increase(duckwatch_backup_recovered_total{{{HERE}}}[$__rate_interval]))",
                "{{source}}: {{reason}}",
            )
        ],
        Scale(Unit.COUNT),
        style=Style.BARS,
        empty="none: no gap so far, or no backup source is set up",
    )


def _lag() -> Json:
    return course(
        51,
        "Change streams behind by",
        "Age of the newest change that was taken from MongoDB. If it grows, MongoDB or the database is slow.",
        [
            PromQL(
                f"max by (mail_cluster, collection) (duckwatch_changestream_lag_seconds{{{HERE}}})",
                "{{mail_cluster}} / {{collection}}",
            )
        ],
        Scale(Unit.SECONDS),
        empty="no change stream is followed",
    )


def _feed_errors() -> Json:
    return course(
        52,
        "Change stream errors",
        "Per second, by kind. `history_lost`: MongoDB's oplog is too short for the interruption; "
        "the collector reads the queue anew.",
        [
            PromQL(
                "sum by (mail_cluster, feed, kind) "
                f"(rate(duckwatch_changestream_errors_total{{{HERE}}}[$__rate_interval]))",
                "{{mail_cluster}} / {{feed}}: {{kind}}",
            )
        ],
        Scale(Unit.PER_SECOND),
        empty=NONE_YET,
    )


def _gelf() -> Json:
    return course(
        53,
        "GELF messages",
        "Per second, by result. `overrun` and `overloaded` were lost before the collector could read them.",
        [PromQL("sum by (result) (rate(duckwatch_gelf_messages_total[$__rate_interval]))", "{{result}}")],
        Scale(Unit.PER_SECOND),
        empty="none: no GELF source is set up, or it sends nothing",
    )


def _corrected() -> Json:
    return course(
        54,
        "Corrected rows",
        "Rows that a better source replaced with another action. Many mean that the backup sources run ahead of "
        "the plugin.",
        [
            PromQL(
                f"sum by (from, to) (increase(duckwatch_mail_corrections_total{{{HERE}}}[$__rate_interval]))",
                "{{from}} → {{to}}",
            )
        ],
        Scale(Unit.COUNT),
        style=Style.BARS,
        empty=NONE_YET,
    )


def _telemetry() -> Json:
    return course(
        55,
        "Telemetry exports",
        "OTLP exports per second. Failures cost spans, never events: look at the receiver and the collector's log.",
        [
            PromQL(
                "sum by (signal, result) (rate(duckwatch_telemetry_exports_total[$__rate_interval]))",
                "{{signal}}: {{result}}",
            )
        ],
        Scale(Unit.PER_SECOND),
        empty="telemetry is off",
    )
