"""The plans of the queries on a month of mail: each reads events by the right index, and no long chart reads events.

The planner chooses freely, as in production. Plans are of executed queries, so that a branch whose condition on the
range is false does not count.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import pytest

from bench import month
from collector.store.database.sql import query
from grafana.asked import Language, questions
from tests.integration.dashboards.answers import Choice, Range, ask, names, sent
from tests.integration.dashboards.made_week import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grafana.asked import Question
    from tests.servers.postgres import PostgresCluster

pytestmark = pytest.mark.servers

EVENTS = 90_000
"""Enough that a sequential scan of the events costs more than an index."""

QUESTIONS = {one.name: one for one in questions() if one.language is Language.SQL}
ASKED = [name for name, one in QUESTIONS.items() if one.dashboard in ("overview", "delivery", "bounces")]
BY_TIME, OF_FAILURES = {"mail_events_time"}, {"mail_events_failures"}

READ_AT_A_DAY = {
    "overview/5A": OF_FAILURES,
    "overview/6A": OF_FAILURES,
    "delivery/11A": BY_TIME,
    **{f"{dashboard}/$cluster": BY_TIME for dashboard in ("overview", "delivery", "bounces")},
}
"""The queries that read events, and the index of each."""

READ_AT_A_MONTH = {name: index for name, index in READ_AT_A_DAY.items() if name != "overview/5A"}
"""Neither of these counts over the range: the newest 50 rows, the last six hours, the newest 10,000 events."""

MOST_CHUNKS = 2 + 10_000 * month.DAYS // EVENTS
"""A day is in two chunks; the newest 10,000 events are in more of them here than in production."""

OF_A_MESSAGE = {"queue_id": {"mail_events_identity"}, "message_id": {"mail_events_message_id"}}


class TableRead(NamedTuple):
    """How a query read `mail_events`: the indexes, the chunks, and the number of sequential scans."""

    indexes: set[str]
    chunks: set[str]
    whole: int


class FilledDatabase(NamedTuple):
    """A database with a month of mail up to `end` (epoch ms)."""

    connection: psycopg.Connection
    end: int
    has_chunks: bool

    def range(self, days: int) -> Range:
        """Return the range of these days."""
        return Range(self.end - days * DAY, self.end, "2m" if days == 1 else "1h")

    def choice(self, question: Question, asked: Range, typed: str = "") -> Choice:
        """Return the choice of all values of each variable."""
        several, one = names(question)
        listed = {}
        for name in several:
            variable = QUESTIONS[f"{question.dashboard}/${name}"]
            answer = ask(self.connection, variable, asked, self.choice(variable, asked))
            listed[name] = [row[answer.columns.index("__value")] for row in answer.rows]
        return Choice(listed, dict.fromkeys(one, typed))

    def read(self, name: str, days: int, typed: str = "") -> TableRead:
        """Run the query as Grafana sends it, and return how it read events."""
        asked = self.range(days)
        return self.how(sent(QUESTIONS[name], asked, self.choice(QUESTIONS[name], asked, typed)))

    def how(self, statement: str, values: Any = None) -> TableRead:
        """Run the statement and return how it read events."""
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}".encode()
        (plan,), *_ = self.connection.execute(explain, values).fetchall()
        indexes, chunks, whole = set(), set(), 0
        for node in _executed(plan[0]["Plan"]):
            relation, index = node.get("Relation Name", ""), node.get("Index Name", "")
            if "mail_events" in index:
                indexes.add("mail_events" + index.rpartition("mail_events")[2])
            if relation.startswith("_hyper_") or (relation == "mail_events" and not self.has_chunks):
                chunks.add(relation)
                whole += node["Node Type"] == "Seq Scan"
        return TableRead(indexes, chunks, whole)


def _executed(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if plan["Actual Loops"]:
        yield plan
        for part in plan.get("Plans", []):
            yield from _executed(part)


@pytest.fixture(scope="module", params=["postgres", "timescale"])
def filled(request: pytest.FixtureRequest) -> Iterator[FilledDatabase]:
    """Yield a database with a month of mail. Roll-ups are empty: what a query reads does not depend on them."""
    cluster: PostgresCluster = request.getfixturevalue(request.param)
    # The end of yesterday's chunk: six hours are always the same part of it.
    dsn = cluster.create_database()
    until = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(hours=1)
    month.fill(dsn, EVENTS, until)
    with psycopg.connect(dsn, autocommit=True, options="-c jit=off") as connection:
        yield FilledDatabase(connection, round(until.timestamp() * 1000), request.param == "timescale")
    cluster.drop_database(dsn)


@pytest.mark.parametrize("name", ASKED)
def test_a_query_of_a_day_reads_a_day_of_events_by_its_index(filled: FilledDatabase, name: str) -> None:
    """A query that reads events does so by its index; on TimescaleDB it reads the chunks of the range only."""
    read = filled.read(name, 1)
    assert _fault(filled, read, READ_AT_A_DAY.get(name)) is None, read


@pytest.mark.parametrize("name", ASKED)
def test_a_query_of_a_month_counts_in_roll_ups(filled: FilledDatabase, name: str) -> None:
    """At 30 days, only those queries read events that need the newest ones, and by their index."""
    read = filled.read(name, 30)
    assert _fault(filled, read, READ_AT_A_MONTH.get(name)) is None, read


@pytest.mark.parametrize("by", OF_A_MESSAGE)
@pytest.mark.parametrize("panel", [name for name, one in QUESTIONS.items() if one.dashboard == "trace" and one.panel])
def test_a_trace_by_id_reads_the_message_alone(filled: FilledDatabase, panel: str, by: str) -> None:
    """A queue id or Message-ID is found by its index, and nothing is read by time."""
    assert _of_a_message(filled, panel, by) is None


@pytest.mark.parametrize(
    ("index", "name"),
    [
        ("mail_events_failures", "overview/5A"),
        ("mail_events_failures", "overview/6A"),
        ("mail_events_time", "delivery/11A"),
        ("mail_events_time", "overview/$cluster"),
        ("mail_events_identity", "trace/4A"),
        ("mail_events_message_id", "trace/4A"),
    ],
)
def test_these_tests_notice_when_an_index_is_missing(filled: FilledDatabase, index: str, name: str) -> None:
    """Without its index, each kind of query has a fault."""
    by = "message_id" if index == "mail_events_message_id" else "queue_id"
    with filled.connection.transaction(force_rollback=True):
        filled.connection.execute(f"DROP INDEX {index}".encode())
        if name.startswith("trace"):
            assert _of_a_message(filled, name, by) is not None
        else:
            assert _fault(filled, filled.read(name, 1), READ_AT_A_DAY[name]) is not None


def test_the_job_looks_for_events_in_the_future_by_an_index(filled: FilledDatabase) -> None:
    """The first statement of every run of `roll_up` does not read the events that are not in the future."""
    with filled.connection.transaction(force_rollback=True):
        filled.connection.execute("INSERT INTO retention_horizons VALUES ('mail_events', now() + interval '1 day')")
        read = filled.how(query("set_back_horizons"), {"now": datetime.now(UTC)})
    assert read.whole == 0, read
    assert filled.has_chunks or read.indexes == BY_TIME, read


def _fault(filled: FilledDatabase, read: TableRead, index: set[str] | None) -> str | None:
    """Return what is wrong with how a query read events. `index` is None where it must not read any."""
    if index is None:
        return "it reads events" if read.chunks else None
    if read.indexes != index or read.whole:
        return "it does not read by its index"
    if len(read.chunks) > MOST_CHUNKS:
        return "it reads chunks outside of the range"
    return None


def _of_a_message(filled: FilledDatabase, panel: str, by: str) -> str | None:
    row = filled.connection.execute(
        f"SELECT {by} FROM mail_events WHERE time < now() - interval '9 days' LIMIT 1".encode()
    ).fetchone()
    assert row is not None
    read = filled.read(panel, 1, row[0])
    allowed = {"mail_events_identity", "mail_events_message_id", "mail_events_recipient_time"}
    if read.whole or not OF_A_MESSAGE[by] <= read.indexes <= allowed:
        return f"it does not read by its index: {read}"
    return None
