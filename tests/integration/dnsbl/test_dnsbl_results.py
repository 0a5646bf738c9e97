"""DNSBL results from the real exporter through the real collector into a real database."""

from __future__ import annotations

import json
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from collector.events.model.batch import Batch
from collector.events.model.event import Source
from collector.events.model.side_tables import DnsblResult
from collector.store.migrations import migrate
from collector.store.writing.batch_write import PostgresStore
from tests.canaries import REASON
from tests.servers.collector import Collector
from tests.servers.dnsbl import DnsblExporter
from tests.servers.nameserver import NameServer, Zone
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.house import House

pytestmark = pytest.mark.servers

NOW = 1_795_495_017_123
NAME = "1.2.0.192"
LISTED_NAME = f"{NAME}.bl.example"


def result(number: int = 0, **fields: Any) -> DnsblResult:
    """Return a listing of a target, with the row's fields changed."""
    given: dict[str, Any] = {
        "cluster": "eu1",
        "received_at": NOW + 1,
        "time": NOW + number,
        "target": "192.0.2.5",
        "kind": "address",
        "list": "bl.example",
        "verdict": "listed",
    } | fields
    return DnsblResult(event_id=f"{given['target']}:{given['list']}:{given['verdict']}", **given)


def test_the_table_has_the_columns_of_the_record(any_dsn: str) -> None:
    """Table and record have the same columns."""
    with psycopg.connect(any_dsn) as connection:
        migrate(connection)
        found = connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'dnsbl_results'::regclass AND attnum > 0"
        ).fetchall()
    assert {name for (name,) in found} == set(DnsblResult.__struct_fields__)


def test_a_result_is_stored_once_with_all_it_says(house: House) -> None:
    """A result is stored once with arrays, exact times and hostile texts; a repeat counts as a duplicate."""
    whole = result(
        codes=["127.0.0.2", "127.0.0.9"],
        meanings=['a "quoted", {braced} \\ word', "<b>"],
        reason="'; DROP TABLE dnsbl_results; --",
        standing="listed",
        standing_since=NOW,
        host="mx1",
    )
    assert house.store.write(Batch(records=[whole])).new_records == [whole]
    again = house.store.write(Batch(records=[whole, result(1)]))
    assert [row.key for row in again.new_records] == [result(1).key]
    assert dict(again.duplicates) == {Source.DNSBL: 1}
    row = house.connection.execute(
        "SELECT (extract(epoch FROM time) * 1000)::bigint, codes, meanings, reason, "
        "(extract(epoch FROM standing_since) * 1000)::bigint"
        " FROM dnsbl_results ORDER BY time LIMIT 1"
    ).fetchone()
    assert row == (NOW, list(whole.codes), list(whole.meanings), whole.reason, NOW)


def test_the_current_state_is_the_newest_of_each_target_and_list(house: House) -> None:
    """The current state of each target, list and cluster is the newest result, in any order of arrival."""
    rows = [
        result(5, verdict="clean"),
        result(3),
        result(9, target="2001:db8::5"),
        result(1, list="other.example", verdict="error"),
        result(7, cluster="us1"),
    ]
    house.store.write(Batch(records=rows))
    found = house.connection.execute(
        "SELECT cluster, target, list, verdict FROM dnsbl_current ORDER BY 1, 2, 3"
    ).fetchall()
    assert found == [
        ("eu1", "192.0.2.5", "bl.example", "clean"),
        ("eu1", "192.0.2.5", "other.example", "error"),
        ("eu1", "2001:db8::5", "bl.example", "listed"),
        ("us1", "192.0.2.5", "bl.example", "listed"),
    ]


def severities(connection: psycopg.Connection) -> list[str | None]:
    """Return the severities of the stored results, in the order of their times."""
    found = connection.execute("SELECT severity FROM dnsbl_results ORDER BY time").fetchall()
    return [word for (word,) in found]


def test_the_migration_renames_stored_severities(any_dsn: str) -> None:
    """The migration renames all severities, and leaves results without one."""
    words = ["page", "ticket", "info", None]
    with closing(PostgresStore(any_dsn, any_dsn)) as store, psycopg.connect(any_dsn) as connection:
        store.prepare()
        store.write(Batch(records=[result(number) for number in range(len(words))]))
        connection.execute("DROP TRIGGER rename_severity ON dnsbl_results")
        connection.execute("DROP FUNCTION rename_severity")
        connection.execute("DELETE FROM schema_migrations WHERE version = 20")
        stored = "UPDATE dnsbl_results SET severity = %s WHERE time = 'epoch'::timestamptz + %s * interval '1 ms'"
        for number, word in enumerate(words):
            connection.execute(stored, (word, NOW + number))
        assert severities(connection) == words
        connection.commit()
        assert [one.version for one in migrate(connection)] == [20]
        assert severities(connection) == ["critical", "warning", "info", None]


def test_a_former_severity_is_renamed_whichever_version_stores_it(house: House) -> None:
    """A former severity is renamed whether an earlier version, its journal or its dead letter brings it."""
    rows = [result(number, severity=word) for number, word in enumerate(["page", "ticket", "warning"])]
    assert len(house.store.write(Batch(records=rows)).new_records) == 3
    assert house.store.write(Batch(records=rows)).new_records == []
    assert severities(house.connection) == ["critical", "warning", "warning"]


class World:
    """A name server with one list, a collector, and the exporter that posts to it."""

    def __init__(self, folder: Path, logs: Path, dsn: str) -> None:
        self.names = NameServer()
        self.zone = self.names.zones["bl.example"] = Zone(
            "bl.example", {NAME: ["127.0.0.2"]}, reasons={NAME: f"<i>{REASON}</i>"}
        )
        self.zone.ttl = 1
        self.collector = Collector(folder / "collector", logs, dsn)
        self.collector.start()
        self.token_file = folder / "exporter.token"
        self._settings = {
            "resolvers": [self.names.address],
            "timeout": "200ms",
            "interval": "10s",
            "targets": ["192.0.2.0/31"],
            "lists": ["bl.example"],
            "collector": {"url": self.collector.url, "token_file": str(self.token_file), "targets": True},
            "public_ips": {"10.0.0.5": "192.0.2.5"},
        }
        self.token_file.write_text(self.collector.token)
        self.exporter = DnsblExporter(folder, logs, self._settings)
        self.connection = psycopg.connect(dsn, autocommit=True)

    def list_it(self, *, listed: bool) -> None:
        """List the target, or remove it from the list."""
        if listed:
            self.zone.listed[LISTED_NAME] = ["127.0.0.2"]
        else:
            del self.zone.listed[LISTED_NAME]

    def history(self) -> list[tuple[str, str | None]]:
        """Return the stored verdicts of the target with the previous ones, in the order of time."""
        return self.connection.execute(
            "SELECT verdict, previous FROM dnsbl_results WHERE target = '192.0.2.1' ORDER BY time"
        ).fetchall()

    def count(self) -> int:
        found = self.connection.execute("SELECT count(*) FROM dnsbl_results").fetchone()
        return 0 if found is None else int(found[0])

    def close(self) -> None:
        assert self.exporter.stop() == 0
        assert self.collector.stop() == 0
        self.connection.close()
        self.names.close()


@pytest.fixture
def world(postgres_dsn: str, tmp_path: Path, server_logs: Path) -> Iterator[World]:
    """Yield the parts on plain PostgreSQL: between exporter and collector the tiers do not differ."""
    made = World(tmp_path, server_logs, postgres_dsn)
    yield made
    made.close()


def test_a_listing_comes_and_goes_also_while_the_collector_is_away(world: World) -> None:
    """Every change of a listing is stored once and in order, also those while the collector was down."""
    world.exporter.start()
    wait_until(lambda: world.history() == [("listed", None)], "the listing is stored", seconds=60)
    row = world.connection.execute(
        "SELECT host IS NOT NULL, cluster, codes, reason FROM dnsbl_current WHERE target = '192.0.2.1'"
    )
    assert row.fetchone() == (True, "eu1", ["127.0.0.2"], f"<i>{REASON}</i>")
    world.list_it(listed=False)
    wait_until(lambda: world.history()[-1] == ("clean", "listed"), "the delisting is stored", seconds=60)
    world.collector.kill()
    world.list_it(listed=True)
    wait_until(lambda: world.exporter.listed("192.0.2.1", "bl.example") == 1, "it is listed again", seconds=60)
    world.list_it(listed=False)
    wait_until(lambda: world.exporter.listed("192.0.2.1", "bl.example") == 0, "it is clean again", seconds=60)
    assert (world.exporter.value("duckwatch_dnsbl_results_waiting") or 0) >= 2
    world.collector.start()
    whole = [("listed", None), ("clean", "listed"), ("listed", "clean"), ("clean", "listed")]
    wait_until(lambda: len(world.history()) >= len(whole), "what waited is stored", seconds=120)
    wait_until(lambda: world.exporter.value("duckwatch_dnsbl_results_waiting") == 0, "nothing waits")
    assert world.history() == whole
    assert world.count() == len(whole) + 1, "the other target was clean from the first"
    assert world.exporter.value("duckwatch_dnsbl_results_total", result="sent") == world.count()
    assert world.collector.metrics()["duckwatch_ingest_events_total"][(("source", "dnsbl"),)] >= 2
    assert world.connection.execute("SELECT count(*) FROM mail_events").fetchone() == (0,)


def test_what_the_collector_refuses_to_this_token_waits_for_the_right_one(world: World) -> None:
    """Results refused with 401 wait, and are stored once after a reload with the right token."""
    world.token_file.write_text("wrong-token-of-the-tests")
    world.exporter.start()
    unauthorised = (("code", "401"), ("route", "/api/events/dnsbl"))
    wait_until(
        lambda: world.collector.metrics().get("duckwatch_http_requests_total", {}).get(unauthorised, 0) >= 2,
        "it was refused, and tried again",
        seconds=60,
    )
    wait_until(lambda: world.exporter.value("duckwatch_dnsbl_results_waiting") == 2, "both results wait")
    world.token_file.write_text(world.collector.token)
    wait_until(lambda: world.count() == 2, "they are stored", seconds=120)
    assert world.exporter.value("duckwatch_dnsbl_results_total", result="dropped") in {None, 0.0}
    assert world.exporter.value("duckwatch_dnsbl_results_total", result="sent") == 2


def test_a_result_that_names_nothing_is_set_aside_beside_good_ones(world: World) -> None:
    """A result without a target becomes a dead letter, is named in the answer, and the good one beside it is stored."""
    now = int(time.time() * 1000)
    good = {"time": now, "target": "192.0.2.9", "list": "bl.example", "verdict": "clean"}
    body = json.dumps(
        {"exporter": {"host": "mx1"}, "results": [good | {"verdict": "?"}, good, good | {"reason": "x\0" * 10}]}
    )
    authorization = {"Authorization": f"Bearer {world.collector.token}"}
    world.exporter.start()
    answer = world.collector.ask("/api/events/dnsbl", body.encode(), authorization)
    assert answer.status == 202
    assert json.loads(answer.body) == {
        "accepted": 2,
        "rejected": [{"index": 0, "error": "`verdict` is none of clean, error, listed, refused"}],
    }
    letters = "SELECT source, reason FROM dead_letters"
    wait_until(lambda: world.connection.execute(letters).fetchall() == [("dnsbl", "not_an_event")], "it is set aside")
    stored = world.connection.execute("SELECT verdict FROM dnsbl_results WHERE target = '192.0.2.9'").fetchall()
    assert stored == [("clean",)], "the last two are one: the same pair, verdict and time"
    assert world.collector.ask("/api/events/dnsbl", body.encode()).status == 401


def test_addresses_that_the_collector_saw_sending_are_checked(world: World) -> None:
    """Sending addresses from the collector's /metrics are checked, those behind NAT by their public address."""
    now = int(time.time() * 1000)
    entry = {"id": "1a20bd7bade000cd07", "action": "ACCEPTED", "to": "one@gmail.example", "response": "250 ok"}
    events = [
        {"time": now, "entry": entry | {"seq": f"00{seq}", "ip": ip}}
        for seq, ip in enumerate(("192.0.2.77", "10.0.0.5", "10.0.0.6"))
    ]
    assert world.collector.send(events) == 202

    def counted() -> set[str]:
        series = world.collector.metrics().get("duckwatch_sending_ip_events_total", {})
        return {dict(labels)["local_ip"] for labels in series}

    wait_until(lambda: len(counted()) == 3, "they are counted", seconds=60)
    world.exporter.start()
    wait_until(
        lambda: len(world.exporter.metrics().get("duckwatch_dnsbl_listed", {})) == 4, "they are checked", seconds=60
    )
    targets = {dict(labels)["target"] for labels in world.exporter.metrics()["duckwatch_dnsbl_listed"]}
    assert targets == {"192.0.2.0", "192.0.2.1", "192.0.2.5", "192.0.2.77"}
