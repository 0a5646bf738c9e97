"""*duckwatch*: whether the other dashboards are complete and up to date, and if not, which part causes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.alerts import alert_marks
from grafana.annotations import FAILED_RELOADS, PromAnnotation, new
from grafana.dashboards.duckwatch.charts import ANY_IS_BAD, HERE, LATE, NONE_IF_SCRAPED, now
from grafana.dashboards.duckwatch.inside import inside
from grafana.dashboards.duckwatch.objectives import objectives
from grafana.dashboards.duckwatch.pipeline import ingest, journal, store
from grafana.dashboards.duckwatch.sources import plugins, sources
from grafana.fields import Colour, Scale, Step, Unit
from grafana.layout import Row
from grafana.links import DashboardUid
from grafana.pages import Page, dashboard

if TYPE_CHECKING:
    from grafana.fields import Json
    from grafana.settings import Settings

PAGE = Page(
    uid=DashboardUid.DUCKWATCH,
    title="duckwatch itself",
    description=(
        "The collector, its journal, its database, and the sources that report to it: "
        "whether the mail dashboards are complete and on time."
    ),
    annotations=(
        PromAnnotation(
            "Plugin versions",
            new("count by (mail_cluster, version) (duckwatch_plugin_info%s)"),
            "Plugin {{version}}",
            "First heartbeat of this version in {{mail_cluster}}",
        ),
        PromAnnotation(
            "Collector versions",
            new("count by (version) (duckwatch_build_info%s)"),
            "Collector {{version}}",
        ),
        FAILED_RELOADS,
        *alert_marks("pipeline", "database"),
    ),
)


def build(settings: Settings) -> Json:
    """Return the dashboard, normalised."""
    rows = [
        Row(_verdicts()),
        Row(objectives(), "Objectives", 700),
        Row(ingest(), "Ingest", 100),
        Row(journal(), "Journal", 200),
        Row(store(), "Database", 300),
        Row(plugins(), "Plugins", 400),
        Row(sources(), "Other sources", 500),
        Row(inside(), "Jobs and resources", 600),
    ]
    return dashboard(PAGE, rows, settings)


def _verdicts() -> list[Json]:
    return [_collectors(), _late_by(), _journal_in_use(), _most_silent_plugin(), _database_errors(), _dead_letters()]


def _collectors() -> Json:
    return now(
        1,
        "Collectors",
        "Collectors that were scraped. At 0 every panel is out of date: see the collector's log and `/readyz`.",
        "count(duckwatch_build_info) or vector(0)",
        Scale(Unit.COUNT, (Step(Colour.BAD), Step(Colour.GOOD, 1))),
    )


def _late_by() -> Json:
    return now(
        2,
        "Late by",
        "From an event's time stamp to its commit, 95 of 100 events. If it grows, look at the journal below: "
        "a full journal means that the database is slow or away, an empty one that the plugins send late.",
        "histogram_quantile(0.95, sum by (le) (rate(duckwatch_event_commit_delay_seconds_bucket[$__rate_interval])))",
        Scale(Unit.SECONDS, LATE, empty="no events"),
    )


def _journal_in_use() -> Json:
    return now(
        3,
        "Journal in use",
        "Used part of the journal's quota, of the fullest collector. At 100 % the collector answers 503 and "
        "the plugins keep events on ZoneMTA's disk.",
        "max(duckwatch_journal_bytes / duckwatch_journal_limit_bytes)",
        Scale(Unit.RATIO, (Step(Colour.GOOD), Step(Colour.WATCH, 0.25), Step(Colour.BAD, 0.75)), decimals=1),
    )


def _most_silent_plugin() -> Json:
    return now(
        4,
        "Most silent plugin",
        "Time since the last heartbeat of the host that has been silent longest. The table of plugins names it: "
        "see whether ZoneMTA runs there and reaches the collector.",
        f"time() - min(duckwatch_plugin_last_seen_timestamp_seconds{{{HERE}}})",
        Scale(Unit.SECONDS, LATE, empty="no plugin"),
    )


def _database_errors() -> Json:
    return now(
        5,
        "Database errors",
        "Writes that the database did not take, in the range. They are repeated until they succeed; "
        "the kind is below, and docs/operations.md says what each means.",
        f'sum(increase(duckwatch_store_errors_total{{kind!="bad_row"}}[$__range])) or {NONE_IF_SCRAPED}',
        Scale(Unit.COUNT, ANY_IS_BAD, decimals=0),
    )


def _dead_letters() -> Json:
    return now(
        6,
        "Dead letters",
        "Events that could not be stored, in the range. "
        "`duckwatch-collector dead-letters list` shows them with their reasons.",
        f"sum(increase(duckwatch_dead_letters_total[$__range])) or {NONE_IF_SCRAPED}",
        Scale(Unit.COUNT, ANY_IS_BAD, decimals=0),
    )
