"""The time of each SQL query of a dashboard, as Grafana sends it, over a month of mail (`month.py`).

It runs on the tests' servers: plain PostgreSQL, and TimescaleDB's Apache edition where it is installed.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg.conninfo import make_conninfo

from bench import month
from collector.store.schema.reader_role import ROLE
from grafana.asked import Language, Question, questions
from tests.integration.dashboards.answers import Choice, Range, ask, names, sent
from tests.servers.missing import MissingServerError
from tests.servers.postgres import EmbeddedPostgres
from tests.servers.timescale import Timescale

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FULL_EVENTS, QUICK_EVENTS = 10_000_000, 20_000
SKIPPED = "skipped: run make servers"
ROUNDS, TRACED, VIEWERS = 5, 10, 20
HOUR_MS = 3_600_000
TIMED: Final = ("overview", "delivery", "bounces")

SERVERS: Final = {"postgresql": EmbeddedPostgres, "timescaledb_apache": Timescale}
SETTINGS: Final = {"max_wal_size": "8GB", "autovacuum": "off"}
"""Fewer checkpoints while the tables are filled; `month.py` runs VACUUM and ANALYZE itself."""


class Limit(NamedTuple):
    """The interval that Grafana chooses for the range on a panel of about 1,000 pixels, and the most ms."""

    hours: int
    interval: str
    ms: float


LIMITS: Final = {"24h": Limit(24, "2m", 300), "30d": Limit(720, "1h", 1000)}
TRACE_MS, VIEWERS_MS = 50, 3000


class Dashboards:
    """The dashboards' queries on one filled database, sent by the dashboards' role. `until` is the end of the mail."""

    def __init__(self, dsn: str, until: datetime, rounds: int = ROUNDS) -> None:
        self._dsn, self._end, self._rounds = make_conninfo(dsn, user=ROLE), round(until.timestamp() * 1000), rounds
        self._connection = psycopg.connect(self._dsn, autocommit=True)
        self._questions = {one.name: one for one in questions() if one.language is Language.SQL}

    def measure(self) -> dict[str, Any]:
        """Return the ms of each panel and variable, of traces, and of many viewers, and what is over its limit."""
        figures = {"panels_ms": self._panels(), "trace_ms": self._traces(), "viewers_ms": self._viewers()}
        return figures | {"over_the_limit": over_the_limit(figures)}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _range(self, name: str) -> Range:
        limit = LIMITS[name]
        return Range(self._end - limit.hours * HOUR_MS, self._end, limit.interval)

    def _panels(self) -> dict[str, Any]:
        return {
            f"{one.name} {one.title}": {span: self._timed(one, self._range(span)) for span in LIMITS}
            for one in self._questions.values()
            if one.dashboard in TIMED
        }

    def _traces(self) -> dict[str, Any]:
        """Return the times of each panel of *Message trace*, by what the viewer typed."""
        panels = [one for one in self._questions.values() if one.dashboard == "trace" and one.panel is not None]
        figures: dict[str, Any] = {}
        for by in ("queue_id", "message_id", "recipient", "sender"):
            typed = self._sample(by, percent=1) or self._sample(by, percent=100)
            some = [value for (value,) in typed[:: len(typed) // TRACED or 1]][:TRACED]
            figures[by] = {f"{one.name} {one.title}": self._traced(one, some) for one in panels}
        return figures

    def _sample(self, column: str, percent: int) -> list[tuple[str]]:
        """Return values of some events. One per cent of a small table's pages may be none of them."""
        sampled = f"FROM mail_events TABLESAMPLE SYSTEM ({percent}) WHERE {column} IS NOT NULL LIMIT 1000"
        return self._connection.execute(f"SELECT {column} {sampled}".encode()).fetchall()  # one of ours

    def _traced(self, question: Question, typed: Sequence[str]) -> dict[str, float]:
        asked = self._range("24h")
        statements = [sent(question, asked, self._choice(question, asked, text)) for text in typed]
        self._send(self._connection, statements)
        return _figures([self._send(self._connection, [one]) for one in statements])

    def _timed(self, question: Question, asked: Range) -> dict[str, float]:
        statement = sent(question, asked, self._choice(question, asked))
        return _figures([self._send(self._connection, [statement]) for _ in range(self._rounds)])

    def _viewers(self) -> dict[str, dict[str, float]]:
        """Return the time until each of the viewers, who open *Overview* at once, has every answer."""
        day = self._range("24h")
        return {"24h": _figures([self._opened(day) for _ in range(min(self._rounds, 3))])}

    def _opened(self, asked: Range) -> float:
        overview = [one for one in self._questions.values() if one.dashboard == "overview"]
        statements = [sent(one, asked, self._choice(one, asked)) for one in overview]
        self._connection.close()  # the role has as many connections as there are viewers
        connections = [psycopg.connect(self._dsn, autocommit=True) for _ in range(VIEWERS)]
        with ThreadPoolExecutor(VIEWERS) as viewers:
            began = time.monotonic()
            list(viewers.map(lambda one: self._send(one, statements), connections))
            took = time.monotonic() - began
        for one in connections:
            one.close()
        self._connection = _connected(self._dsn)
        return took * 1000

    def _choice(self, question: Question, asked: Range, typed: str = "") -> Choice:
        """Return the choice of all values of each variable, as the dashboards open."""
        several, one = names(question)
        listed = {name: self._options(question.dashboard, name, asked) for name in several}
        return Choice(listed, dict.fromkeys(one, typed))

    def _options(self, dashboard: str, name: str, asked: Range) -> list[str]:
        variable = self._questions[f"{dashboard}/${name}"]
        answer = ask(self._connection, variable, asked, self._choice(variable, asked))
        return [row[answer.columns.index("__value")] for row in answer.rows]

    @staticmethod
    def _send(connection: psycopg.Connection, statements: Sequence[str]) -> float:
        """Send the statements and fetch their rows. Return the ms."""
        began = time.monotonic()
        for statement in statements:
            connection.execute(statement.encode()).fetchall()
        return (time.monotonic() - began) * 1000


def _connected(dsn: str) -> psycopg.Connection:
    """Return a connection. The server may need a moment to notice that the ones before have ended."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return psycopg.connect(dsn, autocommit=True)
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _figures(times: Sequence[float]) -> dict[str, float]:
    return {"best": round(min(times), 1), "median": round(median(times), 1), "worst": round(max(times), 1)}


def over_the_limit(figures: Mapping[str, Any]) -> list[str]:
    """Return the names of the figures whose median is over its limit."""
    found = [
        f"{name}, {span}: {times['median']} ms of {LIMITS[span].ms}"
        for name, spans in figures["panels_ms"].items()
        for span, times in spans.items()
        if times["median"] > LIMITS[span].ms
    ]
    found += [
        f"{name} by {by}: {times['median']} ms of {TRACE_MS}"
        for by in ("queue_id", "message_id")
        for name, times in figures["trace_ms"][by].items()
        if times["median"] > TRACE_MS
    ]
    times = figures["viewers_ms"]["24h"]
    if times["median"] > VIEWERS_MS:
        found.append(f"{VIEWERS} viewers: {times['median']} ms of {VIEWERS_MS}")
    return found


def measure(folder: Path, events: int) -> dict[str, Any]:
    """Return the figures of each server, or why it is left out."""
    limits = {span: limit.ms for span, limit in LIMITS.items()}
    figures: dict[str, Any] = {"limits_ms": {**limits, "trace": TRACE_MS, f"{VIEWERS}_viewers": VIEWERS_MS}}
    for name, server in SERVERS.items():
        try:
            cluster = server(folder, SETTINGS)
        except MissingServerError:
            figures[name] = SKIPPED
            continue
        try:
            cluster.initialise()
            cluster.start()
            figures[name] = _of_a_server(cluster.create_database(), events)
        finally:
            cluster.remove()
    return figures


def _of_a_server(dsn: str, events: int) -> dict[str, Any]:
    until, began = datetime.now(UTC), time.monotonic()
    stored = month.fill(dsn, events, until)
    filled = time.monotonic()
    month.build(dsn, until)
    seconds = {"fill": round(filled - began), "roll_up": round(time.monotonic() - filled)}
    dashboards = Dashboards(dsn, until)
    try:
        return {"events": stored, "seconds": seconds, **dashboards.measure()}
    finally:
        dashboards.close()
