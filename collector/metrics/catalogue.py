"""The catalogue: each metric of the collector with its labels, once (docs/metrics.md).

The number of label values is always limited: closed sets, configured names, or `BoundedLabel`; never an address, an id
or a reply. Mail counters count new rows that are committed. `mail_events` counts every row. docs/metrics.md says which
metrics count only rows with the direction `outbound`, so that their ratios do not include DSNs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

from collector.metrics.gauge import PassingGauge
from collector.metrics.histogram import Histogram
from collector.metrics.labels import MAX_SQLSTATES, BoundedLabel
from duckwatch.base.gauge import TimeGauge

if TYPE_CHECKING:
    from collections.abc import Mapping

MINUTE, HOUR, DAY = 60, 3600, 86400

DELIVERY_BUCKETS = (1, 5, 15, 30, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR, DAY, 2 * DAY)
"""Seconds from queued to delivered. Above an hour the steps follow ZoneMTA's retries (lib/sender.js: 48 h)."""

SESSION_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
COMMIT_DELAY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, MINUTE, 5 * MINUTE, HOUR, 4 * HOUR, DAY)
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
WRITE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
BATCH_BUCKETS = (1, 10, 50, 100, 500, 1000, 2500, 5000, 10000, 20000)


class Metrics:
    """Every metric of one collector, in one registry of its own (so that tests can have many)."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client leaves it bare
        self.registry = registry if registry is not None else CollectorRegistry()
        self._sqlstate = BoundedLabel(MAX_SQLSTATES)
        self._mail()
        self._attempts()
        self._ingest()
        self._logins()
        self._plugin()
        self._inside()
        self._jobs()

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"duckwatch_{name}", about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"duckwatch_{name}", about, labels, registry=self.registry)

    def _passing(self, name: str, about: str) -> PassingGauge:
        return PassingGauge(f"duckwatch_{name}", about, registry=self.registry)

    def _time(self, name: str, about: str, *labels: str) -> TimeGauge:
        return TimeGauge(f"duckwatch_{name}", about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"duckwatch_{name}", about, labels, buckets=buckets, registry=self.registry)

    def _mail(self) -> None:
        self.mail_events = self._counter(
            "mail_events_total", "Events committed to mail_events", "mail_cluster", "zone", "provider", "action"
        )
        self.mail_corrections = self._counter(
            "mail_corrections_total",
            "Rows replaced by a better source's event with another action",
            "mail_cluster",
            "from",
            "to",
        )
        self.mail_recipients_queued = self._counter(
            "mail_recipients_queued_total", "Recipients of outbound messages queued", "mail_cluster"
        )
        self.mail_bounces = self._counter(
            "mail_bounces_total", "Outbound recipients bounced", "mail_cluster", "zone", "provider", "reason", "kind"
        )
        self.mail_deferrals = self._counter(
            "mail_deferrals_total", "Outbound attempts deferred", "mail_cluster", "zone", "provider", "reason"
        )
        self.mail_new_patterns = self._gauge(
            "mail_new_patterns",
            "Outbound bounces and deferrals of the last hour whose reply is of a kind not seen in the week before",
            "mail_cluster",
            "provider",
        )
        self.mail_complaints = self._counter(
            "mail_complaints_total",
            "Complaints whose message is found or is sought no longer",
            "mail_cluster",
            "provider",
        )

    def _attempts(self) -> None:
        self.mail_attempts = self._counter(
            "mail_attempts_total",
            "Outbound delivery attempts, the first one apart from later ones",
            "mail_cluster",
            "zone",
            "provider",
            "attempt",
            "outcome",
        )
        self.mail_outcomes = self._counter(
            "mail_outcomes_total",
            "Outbound delivery attempts by the class of their outcome",
            "mail_cluster",
            "zone",
            "provider",
            "class",
        )
        self.mail_provider_signals = self._counter(
            "mail_provider_signals_total", "Replies that carry a provider's own code", "local_ip", "provider", "code"
        )
        self.mail_delivery_seconds = self._histogram(
            "mail_delivery_seconds",
            "Outbound: from queued to delivered, per recipient",
            DELIVERY_BUCKETS,
            "mail_cluster",
            "zone",
            "provider",
        )
        self.smtp_session_seconds = self._histogram(
            "smtp_session_seconds",
            "Length of the SMTP session of a delivery attempt",
            SESSION_BUCKETS,
            "mail_cluster",
            "provider",
        )
        self.sending_ip_events = self._counter(
            "sending_ip_events_total", "Outbound attempts by sending address", "local_ip", "provider", "outcome"
        )

    def _ingest(self) -> None:
        self.http_requests = self._counter("http_requests_total", "HTTP requests answered", "route", "code")
        self.http_connections = self._gauge("http_connections", "HTTP connections that are open")
        self.http_connections_limit = self._gauge(
            "http_connections_limit", "HTTP connections that may be open: limits.connections, or what open files allow"
        )
        self.http_connections_closed = self._counter(
            "http_connections_closed_total", "HTTP connections closed for want of a place", "reason"
        )
        self.resource_shortages = self._counter(
            "resource_shortages_total",
            "Times that the machine had too little of it: descriptors, memory, threads or disk",
            "resource",
        )
        self.ingest_events = self._counter("ingest_events_total", "Events acknowledged", "source")
        self.ingest_rejected = self._counter(
            "ingest_rejected_total", "Events that cannot be stored", "source", "reason"
        )
        self.ingest_duplicates = self._counter(
            "ingest_duplicates_total", "Acknowledged events that were in the table already", "source"
        )
        self.ingest_seconds = self._histogram(
            "ingest_seconds", "From a request's first byte to its acknowledgement", REQUEST_BUCKETS
        )
        self.event_commit_delay = self._histogram(
            "event_commit_delay_seconds", "From an event's stamp to its commit", COMMIT_DELAY_BUCKETS, "source"
        )
        self.last_event_timestamp = self._time(
            "last_event_timestamp_seconds", "Stamp of the newest committed event", "mail_cluster", "source"
        )

        self.gelf_messages = self._counter("gelf_messages_total", "GELF messages, by what became of them", "result")

    def _logins(self) -> None:
        self.auth_events = self._counter(
            "auth_events_total", "Logins, good and bad", "mail_cluster", "protocol", "result"
        )
        self.auth_suspects = self._gauge(
            "auth_suspects", "Accounts or sources with a burst of failed logins just now", "kind"
        )

    def _plugin(self) -> None:
        self.plugin_info = self._gauge(
            "plugin_info", "1 for each mail host whose plugin reports", "mail_cluster", "host", "version"
        )
        self.plugin_last_seen = self._time(
            "plugin_last_seen_timestamp_seconds", "When a host's plugin last reported", "mail_cluster", "host"
        )
        self.plugin_spool_bytes = self._gauge(
            "plugin_spool_bytes", "Bytes that a host's plugin has still to send", "mail_cluster", "host"
        )
        self.queue_messages = self._gauge(
            "queue_messages", "Recipients that wait in ZoneMTA's queue", "mail_cluster", "zone", "state"
        )
        self.queue_oldest_age = self._gauge(
            "queue_oldest_age_seconds", "Age of the oldest recipient's message in the queue", "mail_cluster", "zone"
        )
        self.changestream_lag = self._gauge(
            "changestream_lag_seconds",
            "Age of the newest change that was taken from MongoDB",
            "mail_cluster",
            "collection",
        )
        self.changestream_changes = self._counter(
            "changestream_changes_total", "Changes taken from MongoDB", "mail_cluster", "collection"
        )
        self.changestream_errors = self._counter(
            "changestream_errors_total",
            "Times that a change stream could not be followed",
            "mail_cluster",
            "feed",
            "kind",
        )
        self.backup_recovered = self._counter(
            "backup_recovered_total", "Rows that only a backup source reported", "mail_cluster", "source", "reason"
        )
        self.plugin_dropped = self._counter(
            "plugin_dropped_events_total", "Events that a host's plugin lost to its quota", "mail_cluster", "host"
        )

    def _inside(self) -> None:
        self.journal_requests = self._gauge("journal_requests", "Requests in the journal")
        self.journal_bytes = self._gauge("journal_bytes", "Bytes used in the journal")
        self.journal_limit_bytes = self._gauge("journal_limit_bytes", "The journal's quota")
        self.journal_oldest_age = self._gauge(
            "journal_oldest_age_seconds", "Age of the oldest request that waits for the database"
        )
        self.store_batch_events = self._histogram("store_batch_events", "Events a batch", BATCH_BUCKETS)
        self.store_write_seconds = self._histogram("store_write_seconds", "Time to commit a batch", WRITE_BUCKETS)
        self.store_errors = self._counter("store_errors_total", "Writes that the database did not take", "kind")
        self.store_refusals = self._counter("store_refusals_total", "Errors that the database answered", "sqlstate")
        self.store_bytes = self._gauge("store_bytes", "Bytes that a table or roll-up takes on disk", "relation")
        self.store_capacity_bytes = self._passing(
            "store_capacity_bytes", "Bytes that the database may take on disk: database.capacity"
        )
        self.store_up = self._passing("store_up", "1 when the writer's last attempt on the database succeeded, else 0")
        self.store_oldest_transaction_age = self._passing(
            "store_oldest_transaction_age_seconds", "How long the oldest transaction of the database has been open"
        )
        self.store_broken_policies = self._gauge(
            "store_broken_policies", "TimescaleDB's policies that are off, overdue or keep failing", "policy"
        )
        self.dead_letters = self._counter("dead_letters_total", "Events set aside in dead_letters", "reason")
        self.live_pushes = self._counter(
            "live_pushes_total", "Windows for Grafana Live, by what became of them", "result"
        )
        self.config_last_reload_successful = self._gauge(
            "config_last_reload_successful", "0 when credentials or certificate could not be renewed"
        )
        self.last_scrape_timestamp = self._time(
            "last_scrape_timestamp_seconds", "When a Prometheus last asked for this page; 0 when none did"
        )
        self.telemetry_exports = self._counter(
            "telemetry_exports_total", "Exports of spans and metrics by OTLP", "signal", "result"
        )
        self.build_info = self._gauge("build_info", "The collector's version", "version")

    def _jobs(self) -> None:
        self.job_last_success = self._time(
            "job_last_success_timestamp_seconds", "When a scheduled job last succeeded", "task"
        )
        self.job_awaited_since = self._time(
            "job_awaited_since_timestamp_seconds", "From when a job was to run that has not succeeded since", "task"
        )
        self.job_runs = self._counter("job_runs_total", "Runs of a scheduled job", "task", "result")

    def count_refusal(self, sqlstate: str | None) -> None:
        """Count an error by its SQLSTATE, if it has one. A trigger may raise any SQLSTATE, so the label is bounded."""
        if sqlstate is not None:
            self.store_refusals.labels(self._sqlstate(sqlstate)).inc()


def catalogue_of(metrics: Metrics) -> dict[str, tuple[str, ...]]:
    """Return each metric's exposed name (counters with `_total`, histograms without suffix) and its labels."""
    found: dict[str, tuple[str, ...]] = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            name = f"{metric._name}_total" if isinstance(metric, Counter) else metric._name  # noqa: SLF001  # no public accessor
            found[name] = tuple(metric._labelnames)  # noqa: SLF001  # no public accessor
    return found


CATALOGUE: Mapping[str, tuple[str, ...]] = catalogue_of(Metrics())
"""The label names of every metric, by its name. tests/contract holds rules, panels and docs to it."""
