"""The dashboards fit the collector: their SQL runs on its tables and counts right, their PromQL names its metrics."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import pytest
import yaml

from collector.events.model.event import Action, BounceKind, Direction, Provider, Reason, Source
from collector.events.model.outcome import OutcomeClass, bounce_class
from collector.events.replies.provider_codes import SIGNALS
from collector.store.migrations import migrate
from collector.store.schema.reader_role import complete_reader_role
from grafana.asked import Language, Shape, questions
from grafana.dashboards._provider_codes import BY_CODE
from grafana.generate import build_all
from grafana.queries import load_query
from grafana.settings import PROGRAMS, Settings
from tests.alert_rules.rules import ROOT, RULE_FILES, all_rules, run, tool
from tests.contract.more_rows import inbound, insert, logins, snapshots
from tests.contract.promql import CATALOGUE, METRIC, RECORDED, labels_kept, labels_used, series_of
from tests.integration.house import House
from tests.servers.fixtures import need
from tests.unit.grafana.macros import expand

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.servers.postgres import PostgresCluster

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
END = START + timedelta(hours=1)
CLUSTERS = ("default", "it's")
OTHER_CHOICES = ("google", "yahoo", "bulk", "192.0.2.5", "192.0.2.6", "none", "unknown")
"""What other variables than the cluster have to choose from: providers, zones, sending addresses."""

TYPED = f"{723:018x}"
"""What the viewer has typed: the queue id of a message in the range, and of a chosen cluster."""

PAGES = build_all()
QUESTIONS = questions(PAGES)
SQL = {question.name: question.text for question in QUESTIONS if question.language is Language.SQL}
PROMQL = {question.name: question.text for question in QUESTIONS if question.language is Language.PROMQL}

each_sql = pytest.mark.parametrize("sql", SQL.values(), ids=SQL)
each_promql = pytest.mark.parametrize("expr", PROMQL.values(), ids=PROMQL)


class Row(NamedTuple):
    """The columns of `mail_events` that the panels read."""

    time: datetime
    cluster: str
    event_id: str
    action: Action
    direction: Direction
    provider: Provider | None = None
    zone: str | None = None
    local_ip: str | None = None
    recipient_domain: str | None = None
    smtp_code: int | None = None
    reason: Reason | None = None
    bounce_kind: BounceKind | None = None
    response_pattern: str | None = None
    sender_domain: str | None = None
    recipients: int | None = None
    attempt: int | None = None
    next_attempt: datetime | None = None
    queue_ms: int | None = None
    tls_version: str | None = None
    queue_id: str | None = None
    source: Source = Source.PLUGIN
    received_at: datetime = START


def _reason(action: Action, index: int) -> Reason:
    if index % 4 == 0:
        return Reason.REPUTATION
    return Reason.GREYLISTED if action is Action.DEFERRED else Reason.UNKNOWN_USER


def _attempt(action: Action, index: int) -> int | None:
    if action is Action.QUEUED:
        return None
    return 1 + index % 15 if action is Action.DEFERRED else 1 + index % 15 // 13


def traffic() -> list[Row]:
    """Return two hours of mail, from half an hour before the range to half an hour after it: one row each 5
    s.
    """
    rows = []
    for index in range(1440):
        action = (Action.QUEUED, Action.DELIVERED, Action.DELIVERED, Action.DEFERRED, Action.BOUNCED)[index % 5]
        failed = action in {Action.DEFERRED, Action.BOUNCED}
        rows.append(
            Row(
                time=START - timedelta(minutes=30) + timedelta(seconds=5 * index),
                cluster=(*CLUSTERS, "elsewhere")[index % 3],
                event_id=f"{index:018x}.001:{action.value}",
                action=action,
                direction=Direction.DSN if index % 7 == 0 else Direction.OUTBOUND,
                provider=(Provider.GOOGLE, Provider.YAHOO, None)[index % 4 % 3],
                zone="bulk" if failed else None,
                local_ip=("192.0.2.5", "192.0.2.6", None)[index % 3] if failed else None,
                recipient_domain="full.example" if action is Action.BOUNCED and index % 2 else "mail.example",
                smtp_code=(450 if action is Action.DEFERRED else 550) if failed else None,
                reason=_reason(action, index) if failed else None,
                bounce_kind=BounceKind.HARD if action is Action.BOUNCED else None,
                response_pattern=f"55# {index} <b>'quoted'</b>" if failed and index % 2 else None,
                sender_domain=("shop.example", "news.example", None)[index % 11 % 3],
                recipients=1 + index % 3 if action is Action.QUEUED else 1,
                attempt=_attempt(action, index),
                next_attempt=START if action is Action.DEFERRED else None,
                queue_ms=1000 * (index % 97) if action is Action.DELIVERED else None,
                tls_version="TLSv1.3" if action is Action.DELIVERED and index % 3 else None,
                queue_id=f"{index:018x}",
            )
        )
    return rows


ROWS = traffic()


def said(minute: float, target: str, verdict: str, **fields: Any) -> dict[str, Any]:
    """Return a list's verdict `minute` minutes into the range."""
    time = START + timedelta(minutes=minute)
    row = {
        "time": time,
        "cluster": "default",
        "target": target,
        "kind": "address",
        "list": "bl.example",
        "verdict": verdict,
    }
    row |= {"codes": [], "meanings": [], "standing": verdict, "standing_since": time, "received_at": time} | fields
    return row | {"event_id": f"{target}:{row['list']}:{verdict}"}


LISTED: dict[str, Any] = {
    "codes": ["127.0.0.2"],
    "meanings": ["spam", "<b>"],
    "severity": "critical",
    "reason": "'why'",
}
RESULTS = [
    said(-90, "192.0.2.5", "clean"),
    said(-60, "192.0.2.5", "listed", **LISTED),
    said(-60, "192.0.2.6", "clean"),
    said(-50, "192.0.2.7", "listed", **LISTED),
    said(-40, "192.0.2.7", "clean"),
    said(-30, "192.0.2.8", "clean"),
    said(10, "192.0.2.6", "listed", **LISTED),
    said(15, "192.0.2.6", "error", standing="listed"),
    said(20, "192.0.2.6", "listed", **LISTED),
    said(25, "192.0.2.6", "refused", standing=None, standing_since=None),
    said(30, "192.0.2.6", "clean"),
    said(30, "192.0.2.6", "clean", cluster="it's"),
    said(40, "192.0.2.8", "listed", list="other.example", severity="info"),
    said(70, "192.0.2.8", "clean", list="other.example"),
]
"""Listings that begin before the range and go on, end before it, lie within it, or end after it."""


def shown(*actions: Action) -> list[Row]:
    """Return the rows that a panel of these actions must count: in the range, in the chosen clusters, outbound."""
    return [
        row
        for row in ROWS
        if row.action in actions
        and START <= row.time <= END
        and row.cluster in CLUSTERS
        and row.direction is Direction.OUTBOUND
    ]


@pytest.fixture(scope="module", params=["postgres", "timescale"])
def cluster(request: pytest.FixtureRequest) -> PostgresCluster:
    """The server of each tier."""
    found: PostgresCluster = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def empty_dsn(cluster: PostgresCluster) -> Iterator[str]:
    """An empty database with the collector's schema, made once. No test commits to it."""
    dsn = cluster.create_database()
    with psycopg.connect(dsn, autocommit=False) as connection:
        migrate(connection)
    yield dsn
    cluster.drop_database(dsn)


@pytest.fixture(scope="module")
def filled_dsn(cluster: PostgresCluster) -> Iterator[str]:
    """A database that holds the traffic, and its roll-ups as the job builds them, made once. No test commits to it."""
    dsn = cluster.create_database()
    with psycopg.connect(dsn, autocommit=False) as connection:
        migrate(connection)
        fill(connection)
    house = House(dsn)
    house.roll_up(END + timedelta(hours=1))
    house.close()
    yield dsn
    cluster.drop_database(dsn)


@pytest.fixture
def migrated(empty_dsn: str) -> Iterator[psycopg.Connection]:
    """Yield a transaction on the empty database. What the test writes is rolled back."""
    yield from _rolled_back(empty_dsn)


@pytest.fixture
def filled(filled_dsn: str) -> Iterator[psycopg.Connection]:
    """Yield a transaction on the filled database. What the test writes is rolled back."""
    yield from _rolled_back(filled_dsn)


def _rolled_back(dsn: str) -> Iterator[psycopg.Connection]:
    with contextlib.closing(psycopg.connect(dsn, autocommit=False)) as connection:
        yield connection


def fill(connection: psycopg.Connection) -> None:
    """Write the traffic, verdicts, snapshots and logins."""
    columns = ", ".join(Row._fields)
    values = ", ".join(["%s"] * len(Row._fields))
    statement = f"INSERT INTO mail_events ({columns}) VALUES ({values})"
    with connection.cursor() as cursor:
        cursor.executemany(statement, ROWS)
        names = RESULTS[0].keys()
        cursor.executemany(
            f"INSERT INTO dnsbl_results ({', '.join(names)}) VALUES ({', '.join(f'%({name})s' for name in names)})",
            [dict.fromkeys(names) | result for result in RESULTS],
        )
        insert(cursor, "queue_snapshots", [*snapshots(START, 61, CLUSTERS)])
        insert(cursor, "auth_events", [*logins(START, 180, CLUSTERS)])
        insert(cursor, "mail_events", [*inbound(START, 180, CLUSTERS)])
        cursor.execute("INSERT INTO touched_buckets SELECT DISTINCT time FROM mail_events")


def ask(
    connection: psycopg.Connection,
    sql: str,
    *,
    interval: str = "1m",
    values: Sequence[str] = (*CLUSTERS, *OTHER_CHOICES),
    typed: str = TYPED,
) -> list[dict[str, Any]]:
    """Return the rows that Grafana would get."""
    one = "all" if "$tenant" in sql else typed
    text = expand(sql, start=START, end=END, interval=interval, values=values, text=one)
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        return cursor.execute(text).fetchall()


@pytest.mark.servers
@each_sql
def test_every_query_returns_rows(filled: psycopg.Connection, sql: str) -> None:
    """Each query of a panel or variable returns rows on a database with mail."""
    assert ask(filled, sql)


@pytest.mark.servers
@each_sql
def test_every_query_runs_on_an_empty_database(migrated: psycopg.Connection, sql: str) -> None:
    """No query fails before the first event."""
    known = [row["__value"] for row in ask(migrated, load_query("shared/clusters"))]
    assert known == ["default"]
    ask(migrated, sql, values=known)


WITHOUT_TEXT = {"barchart", "state-timeline"}
"""The kinds of panels that show an error of Grafana's own, not the card's text, when no query has a row."""


@pytest.mark.servers
def test_a_panel_without_a_text_of_its_own_has_a_row_that_says_what_is_missing(migrated: psycopg.Connection) -> None:
    """Each state timeline and bar chart has one on an empty database, or beside a Prometheus that scrapes nothing."""
    panels: dict[str, bool] = {}
    for question in QUESTIONS:
        if question.panel is not None and question.panel["type"] in WITHOUT_TEXT:
            name = f"{question.dashboard}/{question.panel['id']}"
            if question.language is Language.SQL:
                has_row = bool(ask(migrated, question.text, values=["default"]))
            else:
                has_row = " unless on () " in question.text or question.text.endswith("or vector(2)")
            panels[name] = panels.get(name, False) or has_row
    assert {name for name, has_row in panels.items() if not has_row} == set()
    assert {"overview/7", "queue/40", "reputation/4", "reputation/9", "trace/3", "mta/20"} <= set(panels)
    assert ask(migrated, SQL["reputation/4A"]) == [{"time": START, "metric": "no listing", "state": 3}]
    assert {row["state"] for row in ask(migrated, SQL["overview/7A"], values=["default"])} == {1}


@pytest.mark.servers
@pytest.mark.parametrize("interval", ["500ms", "5s", "1m", "2h", "1d", "7d"])
def test_every_interval_of_grafana_is_one_of_postgresql(filled: psycopg.Connection, interval: str) -> None:
    """At every zoom, the bins hold every event once."""
    rows = ask(filled, load_query("overview/outcomes"), interval=interval)
    assert sum(row["recipients"] for row in rows) == len(shown(Action.DELIVERED, Action.DEFERRED, Action.BOUNCED))


@pytest.mark.servers
@pytest.mark.parametrize(
    "sql",
    [
        question.text
        for question in QUESTIONS
        if question.language is Language.SQL and question.shape is Shape.TIME_SERIES
    ],
)
def test_a_time_series_has_one_row_per_time_and_label(filled: psycopg.Connection, sql: str) -> None:
    """Rows are in order, one for each time and label: Grafana refuses other orders, and shows only
    the last duplicate.
    """
    rows = ask(filled, sql)
    times = [row["time"] for row in rows]
    assert times == sorted(times)
    keys = [(row["time"], *(value for value in row.values() if isinstance(value, str))) for row in rows]
    assert len(set(keys)) == len(keys)
    assert all(value is not None for row in rows for value in row.values())


@pytest.mark.servers
def test_outcomes_are_counted_right(filled: psycopg.Connection) -> None:
    """The panel's numbers equal an independent count: outbound only, in the range, in the chosen clusters."""
    counted: Counter[str] = Counter()
    for row in ask(filled, load_query("overview/outcomes")):
        counted[row["metric"]] += row["recipients"]
    assert counted == Counter(row.action.value for row in shown(Action.DELIVERED, Action.DEFERRED, Action.BOUNCED))


def outcome_class(row: Row) -> str | None:
    """The class of a bounce as docs/events.md, section 3 defines it."""
    if row.action is not Action.BOUNCED:
        return None
    if row.bounce_kind is not None and row.bounce_kind is not BounceKind.SOFT:
        return row.bounce_kind.value
    if row.reason in BLOCKED:
        return "block"
    return "other" if row.reason is Reason.OTHER else "soft"


BLOCKED = {
    Reason.REPUTATION,
    Reason.POLICY,
    Reason.AUTHENTICATION,
    Reason.CONTENT,
    Reason.RATE_LIMITED,
    Reason.GREYLISTED,
}


@pytest.mark.servers
def test_reasons_are_counted_right(filled: psycopg.Connection) -> None:
    """Each outcome, class, reason and provider occurs once, with count, newest time, and newest
    reply with a pattern.
    """
    rows = ask(filled, load_query("overview/failure_reasons"))
    expected: dict[tuple[str, str | None, str, str], list[Row]] = {}
    for row in shown(Action.DEFERRED, Action.BOUNCED):
        assert row.reason is not None
        provider = row.provider.value if row.provider else "none"
        expected.setdefault((row.action.value, outcome_class(row), row.reason.value, provider), []).append(row)
    assert {(row["action"], row["class"], row["reason"], row["provider"]): row["recipients"] for row in rows} == {
        key: len(group) for key, group in expected.items()
    }
    for found in rows:
        group = expected[found["action"], found["class"], found["reason"], found["provider"]]
        assert found["newest"] == max(event.time for event in group)
        patterns = [event.response_pattern for event in group if event.response_pattern]
        assert found["pattern"] == (patterns[-1] if patterns else None)
    assert [row["recipients"] for row in rows] == sorted((row["recipients"] for row in rows), reverse=True)


@pytest.mark.servers
def test_every_bounce_is_in_the_class_that_its_kind_and_reason_give(filled: psycopg.Connection) -> None:
    """The SQL expression and the collector's counter give the same class for every pair of kind and reason."""
    expression = load_query("shared/outcome_class")
    for action, kind, reason in itertools.product([Action.BOUNCED, Action.DEFERRED], BounceKind, Reason):
        row = SimpleNamespace(action=action, bounce_kind=kind, reason=reason)
        found = filled.execute(
            f"SELECT {expression} FROM (VALUES (%s, %s, %s)) AS given (action, bounce_kind, reason)".encode(),
            (action.value, kind.value, reason.value),
        ).fetchone()
        assert found == (outcome_class(row),)  # type: ignore[arg-type]
        if action is Action.BOUNCED:
            assert bounce_class(reason, kind) == outcome_class(row)  # type: ignore[arg-type]


@pytest.mark.servers
def test_the_newest_failures_come_first(filled: psycopg.Connection) -> None:
    """The panel shows the newest fifty failures of the range, newest first, each with its cause."""
    rows = ask(filled, load_query("overview/newest_failures"))
    expected = sorted(shown(Action.DEFERRED, Action.BOUNCED), key=lambda row: row.time, reverse=True)[:50]
    assert [(row["time"], row["action"], row["response_pattern"]) for row in rows] == [
        (row.time, row.action.value, row.response_pattern) for row in expected
    ]


@pytest.mark.servers
def test_a_failure_leads_to_the_life_of_its_message(filled: psycopg.Connection) -> None:
    """The link of a failure opens the trace by the queue id, escaped, in a range that holds the failure."""
    link = next(
        prop["value"][0]["url"]
        for panel in PAGES["overview"]["panels"]
        if (panel["title"], panel["type"]) == ("Newest failures", "table")
        for override in panel["fieldConfig"]["overrides"]
        for prop in override["properties"]
        if override["matcher"]["options"] == "time" and prop["id"] == "links"
    )
    assert link.startswith("/d/duckwatch-trace?")
    assert 'var-message=${__data.fields["message"]:percentencode}' in link
    assert 'from=${__data.fields["from_ms"]:percentencode}&to=${__data.fields["to_ms"]:percentencode}' in link
    for row in ask(filled, load_query("overview/newest_failures"))[:5]:
        at = row["time"].timestamp() * 1000
        assert int(row["from_ms"]) <= at - 3_600_000 < at < int(row["to_ms"])
        life = ask(filled, load_query("trace/life"), typed=row["message"])
        assert (row["time"], row["action"]) in {(event["time"], event["action"]) for event in life}


@pytest.mark.servers
def test_states_begin_with_what_stood_before(filled: psycopg.Connection) -> None:
    """A pair listed in the range begins with its state at the start. A failed check does not change
    it, a lapse does. Each line has a row at the changes of the others, where Grafana would leave a gap.
    """
    rows = ask(filled, load_query("reputation/states"))
    found: dict[str, list[tuple[float, int]]] = {}
    for row in rows:
        found.setdefault(row["metric"], []).append(((row["time"] - START).total_seconds() / 60, row["state"]))
    assert found == {
        "192.0.2.5 at bl.example": [(minute, 1) for minute in (0, 10, 15, 20, 25, 30, 40)],
        "192.0.2.6 at bl.example": [(0, 0), (10, 1), (15, 1), (20, 1), (25, 2), (30, 0), (40, 0)],
        "192.0.2.8 at other.example": [(40, 1)],
    }


@pytest.mark.servers
@pytest.mark.parametrize(
    ("interval", "states"),
    [("30m", [(0, 1), (30, 0)]), ("2h", [(0, 1), (120, 0)]), ("10m", [(0, 0), (10, 1), (20, 1), (30, 0), (40, 0)])],
)
def test_a_short_listing_is_seen_over_a_long_range(
    filled: psycopg.Connection, interval: str, states: list[tuple[float, int]]
) -> None:
    """A bin shows a listing that ended within it; the next bin shows the state after it."""
    rows = [
        row
        for row in ask(filled, load_query("reputation/states"), interval=interval)
        if row["metric"] == "192.0.2.6 at bl.example"
    ]
    assert [((row["time"] - START).total_seconds() / 60, row["state"]) for row in rows] == states


@pytest.mark.servers
def test_changes_are_those_of_what_stood(filled: psycopg.Connection) -> None:
    """Each listing and delisting is one change, newest first. An error between or another cluster's verdict is none."""
    rows = ask(filled, load_query("reputation/changes"))
    assert [((row["time"] - START).total_seconds() / 60, row["target"], row["change"]) for row in rows] == [
        (40, "192.0.2.8", "listed"),
        (30, "192.0.2.6", "delisted"),
        (10, "192.0.2.6", "listed"),
    ]
    marks = [(row["time"], row["text"]) for row in ask(filled, load_query("reputation/annotations"))]
    words = {"listed": "listed at", "delisted": "removed from"}
    assert marks == [(row["time"], f"{row['target']} {words[row['change']]} {row['list']}") for row in rows]


@pytest.mark.servers
def test_listings_come_first_in_what_lists_say_now(filled: psycopg.Connection) -> None:
    """The table has one row a target, list and cluster, for any range, with listings first."""
    rows = ask(filled, load_query("reputation/current"))
    assert (rows[0]["target"], rows[0]["standing"], rows[0]["meaning"]) == ("192.0.2.5", "listed", "spam, <b>")
    assert {row["standing"] for row in rows[1:]} == {"clean"}
    assert len(rows) == len({(row["cluster"], row["target"], row["list"]) for row in RESULTS})


@pytest.mark.servers
def test_refusals_stand_beside_the_listings_of_the_address(filled: psycopg.Connection) -> None:
    """Each address whose mail was refused for reputation is shown with counts and its present listings."""
    rows = {row["address"]: row for row in ask(filled, load_query("reputation/by_address"))}
    refused = [row for row in shown(Action.DEFERRED, Action.BOUNCED) if row.reason is Reason.REPUTATION]
    assert {address: row["bounced"] + row["deferred"] for address, row in rows.items()} == Counter(
        row.local_ip or "unknown" for row in refused
    )
    assert {address: row["lists"] for address, row in rows.items() if row["lists"]} == {"192.0.2.5": "bl.example"}
    assert next(iter(rows)) == "192.0.2.5"
    counted: Counter[str] = Counter()
    for row in ask(filled, load_query("reputation/failures")):
        counted[row["metric"]] += row["recipients"]
    assert counted == Counter(row.local_ip or "unknown" for row in refused)


@pytest.mark.servers
def test_clusters_are_those_with_events_or_a_plugin(filled: psycopg.Connection) -> None:
    """A cluster with only a heartbeat can be chosen too, and a name with a quote works."""
    filled.execute(
        "INSERT INTO plugin_reports (cluster, host, process, version, spool_bytes, dropped, received_at)"
        " VALUES ('idle', 'mta1', 'p', '1', 0, 0, now())"
    )
    assert [row["__value"] for row in ask(filled, load_query("shared/clusters"))] == sorted(
        {*CLUSTERS, "elsewhere", "idle"}
    )


ROWS_OF_NO_CLUSTER = {
    SQL["overview/7A"]: "a line that says that there is too little mail to judge",
    SQL["trace/3A"]: "a line that says that there is no message",
    SQL["queue/40A"]: "a bar that says that there are no deferrals",
    SQL["reputation/21A"]: "listings, which belong to no cluster, without numbers of mail",
}
"""The queries that answer with rows although the chosen cluster does not exist."""


@pytest.mark.servers
@each_sql
def test_a_value_from_the_url_stays_a_value(filled: psycopg.Connection, sql: str) -> None:
    """A cluster name that looks like SQL selects what a name that does not exist selects: nothing of any cluster."""
    if "$cluster" in sql:
        nothing = ask(filled, sql, values=["nowhere"])
        assert ask(filled, sql, values=["x') OR 1=1 --"]) == nothing
        assert bool(nothing) == (sql in ROWS_OF_NO_CLUSTER)


NO_MESSAGE = {"time": START, "metric": "no message", "state": 5}
"""The row of a timeline without a message."""


@pytest.mark.servers
@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "x') OR 1=1 --",
        "it's",
        "\\",
        "\\'",
        "%",
        "<>",
        "'; DROP TABLE mail_events; --",
        "{{a}}",
        "ü@ü",
        "a" * 9000,
    ],
)
def test_what_the_viewer_types_stays_a_value(filled: psycopg.Connection, typed: str) -> None:
    """Nothing is found by it, and no query fails."""
    for question in QUESTIONS:
        if question.language is Language.SQL and question.dashboard == "trace" and "$message" in question.text:
            found = ask(filled, question.text, typed=typed)
            assert found == ([NO_MESSAGE] if question.name == "trace/3A" else [])


@pytest.mark.servers
def test_the_dashboards_role_can_read_every_panel_and_nothing_else(filled: psycopg.Connection) -> None:
    """The dashboards' role can run every query, but cannot change a row or see dead letters."""
    assert complete_reader_role(filled) == []
    filled.execute("SET LOCAL ROLE duckwatch_reader")
    for sql in SQL.values():
        assert ask(filled, sql)
    for refused in ("DELETE FROM mail_events", "SELECT * FROM dead_letters", "CREATE TEMPORARY TABLE t (a int)"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), filled.transaction():
            filled.execute(refused)


def test_the_class_of_a_bounce_is_one_in_panels_and_rules() -> None:
    """Each line of the panel selects its class of the counter."""
    (panel,) = (panel for panel in PAGES["bounces"]["panels"] if panel["id"] == 2)
    found = {target["legendFormat"]: target["expr"] for target in panel["targets"]}
    assert set(found) == {"hard", "expired", "block", "other", "soft"}
    assert {name: re.findall(r'class="(\w+)"', expr) for name, expr in found.items()} == {
        name: [name] for name in found
    }


def test_each_code_of_a_provider_has_its_meaning() -> None:
    """The dashboards' copy is the collector's table."""
    assert {code: (meaning.reason, meaning.text) for code, meaning in BY_CODE.items()} == {
        f"{signal.provider.value} {signal.code}": (signal.reason.value, signal.meaning) for signal in SIGNALS
    }


def test_the_documentation_lists_every_dashboard() -> None:
    """docs/dashboards.md has a row with each dashboard's title and file."""
    text = (ROOT / "docs" / "dashboards.md").read_text()
    for name, page in PAGES.items():
        assert f"| *{page['title']}* (`{name}.json`) |" in text


@each_promql
def test_every_expression_reads_what_the_collector_exposes(expr: str) -> None:
    """Metrics and labels are in the catalogue; a rule records each recorded series."""
    metrics = METRIC.findall(expr)
    recorded = RECORDED.findall(expr)
    assert metrics or recorded
    assert {series_of(metric) for metric in metrics} <= set(CATALOGUE)
    rules = {rule.name: rule for rule in all_rules()}
    assert set(recorded) <= set(rules)
    levels = {label for name in recorded for label in labels_kept(name)}
    known = {"job", "instance", "le"} | levels | {label for metric in metrics for label in CATALOGUE[series_of(metric)]}
    assert labels_used(expr) <= known


@pytest.mark.servers
@each_promql
def test_every_expression_returns_something(expr: str, tmp_path: Path) -> None:
    """Prometheus's evaluator returns samples for each panel, over series of every metric in it and in the rules.

    A line that says that series are missing has a sample without them.
    """
    says_missing = expr.startswith("vector(") and " unless " in expr
    case = {
        "rule_files": [str(path) for path in RULE_FILES if path.parent.name != "alerts"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": series, "values": "0+100x60"} for series in _series(expr) if not says_missing
                ],
                "promql_expr_test": [
                    {
                        "expr": f"count({_filled_in(expr)}) > bool 0",
                        # A moment that an annotation marks comes when the series begin.
                        "eval_time": "5m" if "unless" in expr else "60m",
                        "exp_samples": [{"labels": "{}", "value": 1}],
                    }
                ],
            }
        ],
    }
    path = tmp_path / "case.yml"
    path.write_text(yaml.safe_dump(case))
    done = run(need(lambda: tool("promtool")), "test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.servers
def test_every_expression_is_valid_with_job_selectors(tmp_path: Path) -> None:
    """A site's matchers are added to the text of each expression, and Prometheus still reads it."""
    jobs = {program: f'job="{program}", namespace=~"a|b"' for program in PROGRAMS}
    found = [one.text for one in questions(build_all(Settings(jobs=jobs))) if one.language is Language.PROMQL]
    rules = [{"record": "a:b:c", "labels": {"n": str(at)}, "expr": _filled_in(expr)} for at, expr in enumerate(found)]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    done = run(need(lambda: tool("promtool")), "check", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


def _filled_in(expr: str) -> str:
    """Return the expression with every value chosen. Grafana writes the values as one regular expression."""
    times = expr.replace("$__rate_interval", "5m").replace("$__range", "30m").replace("$__interval", "10m")
    return re.sub(r'=~"\$\w+"', '=~".*"', times)


def _series(expr: str) -> list[str]:
    """Return a series of every metric that the expression and its rules read, for each set of label values in them."""
    texts = _read(expr)
    found = set()
    for name in {name for text in texts for name in METRIC.findall(text)}:
        labels = dict.fromkeys(CATALOGUE[series_of(name)], "default")
        labels |= {label: value for label, value in re.findall(r'(\w+)=~?"([^"$|]+)', expr) if label in labels}
        for asked in ((), *(pairs for text in texts for pairs in _asked(name, text))):
            label = "le" if name.endswith("_bucket") else "class"
            values = {"le": ("0.5", "5", "60", "900", "+Inf"), "class": OutcomeClass if "class" in labels else (None,)}
            for value in values[label]:
                pairs = labels | dict(asked) | ({label: value} if value else {})
                found.add(name + "{" + ", ".join(f"{key}={json.dumps(value)}" for key, value in pairs.items()) + "}")
    return sorted(found)


def _read(expr: str) -> list[str]:
    """Return the expression, and those of the rules that record what it reads."""
    rules: dict[str, list[str]] = {}
    for rule in all_rules():
        rules.setdefault(rule.name, []).append(rule.expr)
    texts, names = [expr], RECORDED.findall(expr)
    for name in names:
        texts += rules[name]
        names += [other for text in rules[name] for other in RECORDED.findall(text) if other not in names]
    return texts


def _asked(name: str, text: str) -> Iterator[tuple[tuple[str, str], ...]]:
    """Yield the label values of each place at which an expression selects series of this metric by `=`."""
    for braces in re.findall(rf"(?<![:\w]){name}\{{([^}}]*)\}}", text):
        yield tuple(re.findall(r'(\w+)="([^"$]+)"', braces))
