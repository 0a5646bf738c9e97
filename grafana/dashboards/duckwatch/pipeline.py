"""The rows that follow events through the collector: ingest, journal, database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import right_axis
from grafana.dashboards.duckwatch.charts import NONE_YET, course, quantiles
from grafana.fields import Colour, Scale, Step, Unit
from grafana.panels import Style
from grafana.targets import PromQL

if TYPE_CHECKING:
    from grafana.fields import Json


def ingest() -> list[Json]:
    """Return the charts of the events that arrive, their delay, and the submissions that are refused."""
    return [_acknowledged(), _answers(), _commit_delay(), _acknowledgement(), _rejected(), _duplicates()]


def _acknowledged() -> Json:
    return course(
        10,
        "Events by source",
        "Events that were acknowledged, per second. If `plugin` falls while mail flows, see the table of plugins.",
        [PromQL("sum by (source) (rate(duckwatch_ingest_events_total[$__rate_interval]))", "{{source}}")],
        Scale(Unit.PER_SECOND),
        style=Style.AREAS,
    )


def _answers() -> Json:
    return course(
        11,
        "Requests by answer",
        "HTTP requests per second by status. 503: the journal is full or too much waits. 401: a token is wrong. "
        "429: the rate limit.",
        [PromQL("sum by (code) (rate(duckwatch_http_requests_total[$__rate_interval]))", "{{code}}")],
        Scale(Unit.PER_SECOND),
    )


def _commit_delay() -> Json:
    return course(
        12,
        "From time stamp to commit",
        "How late events are in the tables. The objective is 60 s. If p50 is low and p99 is high, "
        "one host or one source is late.",
        quantiles("duckwatch_event_commit_delay_seconds"),
        Scale(Unit.SECONDS),
        empty="no event was stored yet",
    )


def _acknowledgement() -> Json:
    return course(
        13,
        "From request to acknowledgement",
        "Time until a request is on the journal's disk. If it grows, the disk is slow.",
        quantiles("duckwatch_ingest_seconds"),
        Scale(Unit.SECONDS),
        empty="no request has come yet",
    )


def _rejected() -> Json:
    return course(
        14,
        "Rejected events",
        "Events that cannot be stored, per second, by reason. `time_ahead` and `time_too_old` mean a wrong clock "
        "on a mail host. All are kept as dead letters.",
        [
            PromQL(
                "sum by (source, reason) (rate(duckwatch_ingest_rejected_total[$__rate_interval]))",
                "{{source}}: {{reason}}",
            )
        ],
        Scale(Unit.PER_SECOND),
        empty=NONE_YET,
    )


def _duplicates() -> Json:
    return course(
        15,
        "Duplicates",
        "Events that were in the table already, per second: retries of a plugin after a lost answer. "
        "A constant stream means that a proxy cuts the collector's answers.",
        [PromQL("sum by (source) (rate(duckwatch_ingest_duplicates_total[$__rate_interval]))", "{{source}}")],
        Scale(Unit.PER_SECOND),
        empty=NONE_YET,
    )


def journal() -> list[Json]:
    """Return the charts of the journal: the entries that wait for the database, and the space that is left."""
    return [_journal(), _oldest_request(), _time_until_full()]


def _journal() -> Json:
    return course(
        20,
        "Journal",
        "Bytes in use and the quota. It fills while the database is away and drains when it is back.",
        [
            PromQL("sum(duckwatch_journal_bytes)", "used"),
            PromQL("sum(duckwatch_journal_limit_bytes)", "quota", ref="B"),
        ],
        Scale(Unit.BYTES),
    )


def _oldest_request() -> Json:
    return course(
        21,
        "Oldest request in the journal",
        "How long it has waited for the database. Above a minute the database is slow or away.",
        [
            PromQL("max(duckwatch_journal_oldest_age_seconds)", "oldest"),
            PromQL("sum(duckwatch_journal_requests)", "requests", ref="B"),
        ],
        Scale(Unit.SECONDS),
        overrides=[right_axis("requests", Unit.COUNT)],
    )


def _time_until_full() -> Json:
    return course(
        22,
        "Time until the journal is full",
        "At the rate at which it fills now, and a week at most; no line while it does not fill. Under an hour: bring "
        "the database back, or give the journal more room (`collector.journal.max_bytes`).",
        [
            PromQL(
                "clamp_max(min((duckwatch_journal_limit_bytes - duckwatch_journal_bytes) "
                "/ (deriv(duckwatch_journal_bytes[$__rate_interval]) > 0)), 7 * 86400)",
                "full in",
            )
        ],
        Scale(Unit.SECONDS),
        empty="it does not fill",
    )


def store() -> list[Json]:
    """Return the charts of the time that writes take, the events that the database refuses, and its upkeep."""
    return [_commit_time(), _batch_size(), _errors(), _refusals(), _size(), _oldest_transaction(), _broken_policies()]


def _commit_time() -> Json:
    return course(
        30,
        "Time to commit a batch",
        "If it grows, the database's disk or processor is the limit, or somebody holds a lock.",
        quantiles("duckwatch_store_write_seconds"),
        Scale(Unit.SECONDS),
    )


def _batch_size() -> Json:
    return course(
        31,
        "Events in a batch",
        "Large batches mean that the writer catches up.",
        [PromQL.quantile(0.5, "duckwatch_store_batch_events", "p50")],
        Scale(Unit.COUNT),
    )


def _errors() -> Json:
    return course(
        32,
        "Errors by kind",
        "Writes per second that the database did not take. docs/operations.md has what to do for each kind.",
        [PromQL("sum by (kind) (rate(duckwatch_store_errors_total[$__rate_interval]))", "{{kind}}")],
        Scale(Unit.PER_SECOND),
        empty=NONE_YET,
    )


def _refusals() -> Json:
    return course(
        33,
        "Errors by SQLSTATE",
        "The database's own codes, per second: what `other` and `raised` were. PostgreSQL's documentation says what "
        "a code means; `duckwatch-collector doctor` says what to do.",
        [PromQL("sum by (sqlstate) (rate(duckwatch_store_refusals_total[$__rate_interval]))", "{{sqlstate}}")],
        Scale(Unit.PER_SECOND),
        empty=NONE_YET,
        width=6,
    )


def _size() -> Json:
    return course(
        34,
        "Size on disk",
        "Bytes of each table and roll-up, indexes included. `collector.retention` says how long each is kept: if the "
        "disk fills, shorten `raw` first.",
        [PromQL("max by (relation) (duckwatch_store_bytes)", "{{relation}}")],
        Scale(Unit.BYTES),
        style=Style.AREAS,
    )


def _oldest_transaction() -> Json:
    return course(
        35,
        "Oldest open transaction",
        "A transaction that stays open keeps dead rows from being removed. "
        "docs/operations.md says how to find its client.",
        [PromQL("max(duckwatch_store_oldest_transaction_age_seconds)", "oldest")],
        Scale(Unit.SECONDS, (Step(Colour.GOOD), Step(Colour.BAD, 3600))),
        width=5,
    )


def _broken_policies() -> Json:
    return course(
        36,
        "Broken policies",
        "TimescaleDB's policies that are off, overdue or keep failing. `retention`: the disk fills. `columnstore`: "
        "rows stay large. `refresh`: charts of long ranges go stale. `duckwatch-collector doctor` names each and "
        "what to do. Only TimescaleDB Community has policies.",
        [PromQL("max by (policy) (duckwatch_store_broken_policies)", "{{policy}}")],
        Scale(Unit.COUNT, (Step(Colour.GOOD), Step(Colour.WATCH, 1))),
        style=Style.STEPS,
        empty="this database has no policies",
        width=5,
    )
