"""The checks of running services: the collector, its scrapes, the plugins, dead letters, and OTLP."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

from collector.finding import age, fault, ok, printable, skipped, warning
from collector.store.database.connection import scalar
from collector.store.database.sql import query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.finding import Finding
    from collector.operations.doctor.installation import Installation

SCRAPED_SECONDS: Final = 300.0
SILENT_SECONDS: Final = 120.0
"""The plugin reports every 30 s."""

UNSENT_SECONDS: Final = 600.0
MOST_HOSTS: Final = 20


def collector(installation: Installation) -> Iterator[Finding]:
    """Check that a collector answers at the configured address, and is ready."""
    try:
        state = installation.ready()
    except OSError:
        yield warning(f"nothing answers on {installation.url}", "start the collector, or read its log if it should run")
        return
    except ValueError:
        yield fault(f"another program answers on {installation.url}", "stop it, or change collector.listen")
        return
    troubles = state.get("trouble")
    parts = {part: "" for part, is_well in state.items() if part != "ready" and is_well is False}
    # Only feeds are listed there: readiness does not depend on them.
    codes = state.get("sqlstate")
    codes = codes if isinstance(codes, dict) else {}
    words = {
        part: f" ({word}, SQLSTATE {codes[part]})" if part in codes else f" ({word})"
        for part, word in (troubles.items() if isinstance(troubles, dict) else ())
    }
    named = [printable(f"{part}{word}") for part, word in {**parts, **words}.items()]
    if named:
        kind = fault if state["ready"] is False else warning
        yield kind(f"runs, but not well: {', '.join(named)}", "the checks of that part say what to do; so does its log")
    else:
        yield ok(f"runs on {installation.url} and is ready")


def prometheus(installation: Installation) -> Iterator[Finding]:
    """Check that the metrics are used: a Prometheus scraped lately, or they are sent by OTLP."""
    if installation.signals is not None and installation.signals.metrics is not None:
        yield ok("metrics go out by OTLP")
        return
    try:
        scraped_at = installation.metric("duckwatch_last_scrape_timestamp_seconds")
    except (OSError, ValueError):
        yield skipped("no collector answers")
        return
    if not scraped_at:
        yield warning(
            "no Prometheus has asked the collector for metrics since it started",
            f"scrape {installation.url}/metrics (docs/connect.md)",
        )
        return
    seconds = time.time() - scraped_at
    if seconds > SCRAPED_SECONDS:
        yield warning(
            f"last scraped {age(seconds)} ago",
            "look at this target on Prometheus's page Status > Targets, and whether Prometheus runs",
        )
    else:
        yield ok(f"last scraped {age(seconds)} ago")


def plugins(installation: Installation) -> Iterator[Finding]:
    """Check that each mail host's plugin reports, and has sent its events."""
    with installation.database() as connection:
        if scalar(connection, "SELECT to_regclass('plugin_reports')") is None:
            yield skipped("no tables yet")
            return
        rows = connection.execute(query("reports")).fetchall()
    hosts: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
    for cluster, host, *report in rows:
        hosts.setdefault((printable(cluster), printable(host)), []).append(tuple(report))
    if not hosts:
        yield warning(
            "no plugin has reported within a day",
            "install it in ZoneMTA (zonemta-plugin/README.md); if it is, ZoneMTA's log says what the collector answers",
        )
    found = [one for (cluster, host), reports in hosts.items() for one in _host(f"{host} ({cluster})", reports)]
    yield from found[:MOST_HOSTS]
    if len(found) > MOST_HOSTS:
        yield warning(f"{len(found) - MOST_HOSTS} more such hosts", "see duckwatch_plugin_last_seen_timestamp_seconds")
    if hosts and not found:
        yield ok(f"{len(hosts)} hosts report and have sent what they hold")


def _host(name: str, reports: list[tuple[Any, ...]]) -> Iterator[Finding]:
    """Yield the faults of one host. A heartbeat has process, version, spool bytes, oldest unsent, dropped, received.

    Oldest unsent and received are in epoch ms.
    """
    now = time.time()
    silent = now - max(report[5] for report in reports) / 1000
    living = [report for report in reports if now - report[5] / 1000 < SILENT_SECONDS]
    dropped = sum(report[4] for report in living)
    waits = [now - report[3] / 1000 for report in living if report[3] is not None]
    if silent > SILENT_SECONDS:
        yield warning(
            f"{name} has been silent for {age(silent)}",
            "does ZoneMTA run there, and does it reach the collector? Its log has the plugin's lines",
        )
    if waits and max(waits) > UNSENT_SECONDS:
        yield warning(
            f"{name} holds events {age(max(waits))} old",
            "is the collector too slow, or does it refuse them? See the plugin's log",
        )
    if dropped:
        yield warning(
            f"{name} has dropped {dropped} events",
            "its spool's quota was reached: raise it (the plugin's README), or find out why the collector did not "
            "take them",
        )


def dead_letters(installation: Installation) -> Iterator[Finding]:
    """Check that there are no dead letters."""
    with installation.database() as connection:
        if scalar(connection, "SELECT to_regclass('dead_letters')") is None:
            yield skipped("no tables yet")
            return
        rows = connection.execute(
            "SELECT reason, count(*) FROM dead_letters GROUP BY reason ORDER BY 2 DESC"
        ).fetchall()
    for reason, count in rows:
        yield warning(
            f"{count} events set aside: {reason}",
            f"dead-letters list --reason {reason}; when the cause is fixed, dead-letters retry",
        )
    if not rows:
        yield ok("none")


def telemetry(installation: Installation) -> Iterator[Finding]:
    """Check that the OTLP receiver accepts an export, an empty one."""
    if installation.signals is None:
        yield ok("off: no OTEL_EXPORTER_OTLP_ENDPOINT")
        return
    from collector.telemetry import exporting  # noqa: PLC0415  # opentelemetry is imported only where it is wanted

    for name in exporting.QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for signal, protocol in (("traces", installation.signals.traces), ("metrics", installation.signals.metrics)):
        if protocol is None:
            continue
        if exporting.is_taken(signal, protocol):
            yield ok(f"the receiver takes {signal} by {protocol}")
        else:
            yield warning(
                f"the receiver does not take {signal} by {protocol}",
                "check the OTEL_EXPORTER_OTLP_ variables (4317 is grpc, 4318 http/protobuf; headers, certificate), "
                "and its own log",
            )
