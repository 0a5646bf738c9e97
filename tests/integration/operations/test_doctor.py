"""`doctor` on real servers: no finding when all is well, and for each fault its name, a remedy and the exit code."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import subprocess
import threading
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pymongo
import pytest
import yaml
from psycopg import conninfo

from collector.__main__ import main
from collector.config import CollectorSettings as Section
from collector.config.model import RetentionSettings
from collector.events.model.batch import Batch
from collector.finding import Finding, ok
from collector.jobs import RollUp
from collector.journal.sqlite.examination import file_system
from collector.operations.doctor import CHECKS, mongo
from collector.operations.doctor.examination import examine
from collector.operations.doctor.installation import Installation
from collector.store.migrations import shipped
from collector.store.migrations import tables as migrated_tables
from collector.store.writing.batch_write import PostgresStore
from tests import canaries
from tests.canaries import CANARY
from tests.oracle.made_up import HOUR, some
from tests.servers.collector import Collector
from tests.servers.fixtures import need
from tests.servers.otlp import http_receiver
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import EmbeddedPostgres
from tests.servers.process import free_port, wait_until
from tests.servers.prometheus import Prometheus
from tests.servers.secantus import Secantus
from tests.servers.standby import Pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Findings = dict[str, list[dict[str, str]]]
    Ask = Callable[..., tuple[int, Findings]]

TLS = Path(__file__).parents[2] / "fixtures" / "tls"

REPORTS = (
    "INSERT INTO plugin_reports (cluster, host, process, version, spool_bytes, oldest_unsent, dropped, received_at) "
    "VALUES ('eu1', %s, 'p', '1', 0, now() - %s::interval, %s, now() - %s::interval)"
)


POOLERS = {
    "many": {"server_round_robin": "1"},
    "one": {"default_pool_size": "1"},
    "session": {"pool_mode": "session"},
}


@pytest.fixture
def ask(postgres_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run `doctor --json` with keys of the section `collector`. Return exit code, and findings by check."""
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)

    def doctor(**section: Any) -> tuple[int, Findings]:
        config = tmp_path / "doctor.yml"
        own = {
            "listen": f"127.0.0.1:{free_port()}",
            "database": {"dsn": postgres_dsn},
            "journal": {"path": str(tmp_path / "journal"), "max_bytes": "1MiB"},
        }
        config.write_text(yaml.safe_dump({"collector": own | section}), encoding="utf-8")
        capsys.readouterr()
        code = main(["--config", str(config), "doctor", "--json"])
        printed = capsys.readouterr()
        canaries.hear("doctor", printed.out + printed.err)
        told = json.loads(printed.out)
        found: Findings = {}
        for one in told["findings"]:
            found.setdefault(one["check"], []).append(one)
            assert bool(one["remedy"]) is (one["status"] in {"warning", "fault"}), one
        assert list(found) == list(CHECKS)
        assert code == (1 if told["faults"] else 0)
        assert told["faults"] == sum(one["status"] == "fault" for ones in found.values() for one in ones)
        return code, found

    return doctor


@pytest.fixture
def tables(postgres_dsn: str, tmp_path: Path) -> str:
    """Yield the DSN of a migrated database."""
    config = tmp_path / "migrate.yml"
    config.write_text(yaml.safe_dump({"collector": {"database": {"dsn": postgres_dsn}}}), encoding="utf-8")
    assert main(["--config", str(config), "migrate"]) == 0
    return postgres_dsn


@pytest.fixture
def role(postgres_dsn: str) -> Iterator[str]:
    """Yield the DSN of a role without rights."""
    name = f"role_{uuid4().hex[:8]}"
    execute(postgres_dsn, f"CREATE ROLE {name} LOGIN")
    yield conninfo.make_conninfo(postgres_dsn, user=name)
    execute(postgres_dsn, f"DROP OWNED BY {name}; DROP ROLE {name}")


def execute(dsn: str, sql: str, *parameters: object) -> None:
    """Execute SQL by the test's own connection."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.encode(), parameters or None)


def statuses(findings: Findings, *names: str) -> list[str]:
    """Return the statuses of a check's findings."""
    return [one["status"] for name in names for one in findings[name]]


def only(findings: Findings, name: str) -> tuple[str, str]:
    """Return status and text of a check's only finding."""
    [one] = findings[name]
    return one["status"], one["what"]


def insert_past_the_writer(dsn: str, at: float) -> None:
    """Insert a row at that time (epoch s) whose bucket is not marked."""
    execute(
        dsn,
        "INSERT INTO mail_events (time, cluster, event_id, action, source, direction, received_at)"
        " VALUES (to_timestamp(%s), 'eu1', %s, 'bounced', 'bounce', 'outbound', now())",
        at,
        f"q{at}:bounced",
    )


def build(dsn: str) -> None:
    """Run the job `roll_up` until no bucket is marked."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for _ in range(2):
            RollUp(RetentionSettings()).run(connection, datetime.now(UTC), lambda: False)


@pytest.mark.servers
def test_roll_ups_that_miss_events_are_found_and_put_right(ask: Ask, tables: str) -> None:
    """A row that no roll-up counts is a fault, and the printed statement repairs it; waiting buckets are no fault."""
    now = int(time.time() * 1000)
    store = PostgresStore(tables, tables)
    store.write(Batch(some(300, now - 26 * HOUR, now - HOUR, seed=1)))
    build(tables)
    store.write(Batch(some(300, now - 26 * HOUR, now - HOUR, seed=2)))
    store.close()
    assert statuses(ask()[1], "rollups") == ["ok"]
    build(tables)
    status, what = only(ask()[1], "rollups")
    assert (status, what.endswith("equal their events")) == ("ok", True)
    for n in range(280):  # nearly every five minutes of the day, because the sample is random
        insert_past_the_writer(tables, now // 1000 - 2 * 3600 - n * 300)
    [found] = ask()[1]["rollups"]
    assert found["status"] == "fault"
    while found["status"] == "fault":
        execute(tables, found["remedy"].split(";")[0])
        build(tables)
        [found] = ask()[1]["rollups"]
    assert found["status"] == "ok"


@pytest.mark.servers
def test_roll_ups_of_rows_that_are_gone_are_to_be_left_alone(ask: Ask, tables: str) -> None:
    """Roll-ups of rows deleted before this version must not be built again, because they would lose those rows."""
    at = (time.time() // 3600 - 3) * 3600 * 1000
    store = PostgresStore(tables, tables)
    store.write(Batch(some(50, int(at), int(at) + 299_000, seed=3)))
    store.close()
    build(tables)
    execute(tables, "DELETE FROM mail_events WHERE cluster = 'us1'")
    assert statuses(ask()[1], "rollups") == ["ok"]
    execute(tables, "DROP TRIGGER keep_erased ON mail_events")
    execute(tables, "DELETE FROM mail_events WHERE action = 'queued'")
    [found] = ask()[1]["rollups"]
    assert found["status"] == "warning"
    assert "leave them" in found["remedy"]


@pytest.mark.servers
def test_where_all_is_well_it_says_so(
    ask: Ask, tmp_path: Path, server_logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A durable database, its owner, a scraped collector and a reporting plugin give no fault."""
    cluster = need(lambda: EmbeddedPostgres(server_logs, {"fsync": "on", "full_page_writes": "on"}))
    scraper = None
    try:
        cluster.initialise()
        cluster.start()
        execute(cluster.dsn(), "CREATE ROLE duckwatch LOGIN")
        execute(cluster.dsn(), "CREATE ROLE duckwatch_reader LOGIN CONNECTION LIMIT 20")
        execute(cluster.dsn(), "GRANT duckwatch_reader TO duckwatch")
        execute(cluster.dsn(), "CREATE DATABASE duckwatch OWNER duckwatch")
        dsn = conninfo.make_conninfo(cluster.dsn("duckwatch"), user="duckwatch")
        collector = Collector(tmp_path / "collector", server_logs, dsn)
        collector.start()
        target = f"127.0.0.1:{collector.port}"
        scraper = need(lambda: Prometheus(tmp_path / "prometheus", server_logs, {"duckwatch-collector": [target]}))
        scraper.start()
        plugin = {"version": "1", "process": "p", "spool_bytes": 0, "oldest_unsent": None, "dropped": 0}
        body = json.dumps({"host": "mta1", "plugin": plugin}).encode()
        headers = {"Authorization": f"Bearer {collector.token}"}
        urllib.request.urlopen(urllib.request.Request(f"{collector.url}/api/events/ingest", body, headers)).close()
        settings = {"listen": target, "database": {"dsn": dsn}}
        wait_until(lambda: statuses(ask(**settings)[1], "plugins", "prometheus") == ["ok", "ok"], "both", every=0.5)
        code, found = ask(**settings)
        collector.stop()
    finally:
        if scraper is not None:
            scraper.stop()
        cluster.remove()
    assert code == 0
    # A test's folder may be in memory. The other checks need further settings or a newer plugin.
    there = [name for name in CHECKS if name not in {"journal", "alert rules", "alertmanager", "contexts"}]
    assert {name: only(found, name)[0] for name in there} == dict.fromkeys(there, "ok")


def test_without_a_database_the_rest_is_examined(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a database there is one fault with a remedy and no password, and its dependent checks are skipped."""
    dsn = f"postgresql://someone:{CANARY}@127.0.0.1:{free_port()}/nowhere"
    code, found = ask(database={"dsn": dsn})
    assert code == 1
    assert statuses(found, "database", "session") == ["fault", "fault"]
    asked = ("tier", "durability", "schema", "rights", "clock", "connections", "plugins", "dead letters")
    assert set(statuses(found, *asked)) == {"skipped"}
    assert statuses(found, "journal room", "collector") == ["ok", "warning"]
    assert CANARY not in json.dumps(found)
    assert "database nowhere" in found["database"][0]["what"]


def test_a_database_that_forgets_or_takes_nothing_is_a_fault(ask: Ask, tables: str, role: str) -> None:
    """A server without fsync, a role that commits asynchronously, and one that may only read are faults."""
    assert [one["what"].split()[0] for one in ask()[1]["durability"]] == ["fsync", "full_page_writes"]
    name = conninfo.conninfo_to_dict(role)["user"]
    execute(tables, f"ALTER ROLE {name} SET synchronous_commit = off")
    assert len(ask(database={"dsn": role})[1]["durability"]) == 3
    execute(tables, f"ALTER ROLE {name} SET default_transaction_read_only = on")
    code, found = ask(database={"dsn": role})
    assert (code, only(found, "database")[0]) == (1, "fault")


@pytest.mark.servers
def test_a_standby_is_told_from_its_primary(ask: Ask, server_logs: Path) -> None:
    """A standby alone is a fault; with a DSN of both servers the primary is found and named."""
    pair = need(lambda: Pair(server_logs))
    try:
        assert pair.standby is not None
        alone = conninfo.make_conninfo(pair.dsn, port=pair.standby.port)
        code, found = ask(database={"dsn": alone})
        assert (code, only(found, "database")[0]) == (1, "fault")
        assert "is a standby" in only(found, "database")[1]
        found = ask(database={"dsn": pair.either_dsn})[1]
        assert only(found, "database")[0] == "ok"
        assert f":{pair.primary.port}, " in only(found, "database")[1]
        assert only(found, "session")[0] == "ok"
    finally:
        pair.remove()


@pytest.mark.servers
def test_timescaledb_is_named_with_its_edition_and_missed_where_it_could_be(ask: Ask, timescale_dsn: str) -> None:
    """TimescaleDB's edition is named; a missing extension, or tables older than it, are warnings."""
    status, what = only(ask(database={"dsn": timescale_dsn})[1], "tier")
    assert (status, what.split()[0], what.endswith("edition")) == ("ok", "TimescaleDB", True)
    execute(timescale_dsn, "DROP EXTENSION timescaledb")
    status, what = only(ask(database={"dsn": timescale_dsn})[1], "tier")
    assert status == "warning"
    assert what.startswith("plain PostgreSQL, though TimescaleDB")
    store = PostgresStore(timescale_dsn, timescale_dsn)
    store.prepare()
    execute(timescale_dsn, "CREATE EXTENSION timescaledb")
    status, what = only(ask(database={"dsn": timescale_dsn})[1], "tier")
    assert (status, what.endswith("mail_events is as without it")) == ("warning", True)
    store.prepare()
    assert only(ask(database={"dsn": timescale_dsn})[1], "tier")[0] == "ok"


def test_missing_rights_are_named_and_gone_once_granted(ask: Ask, tables: str, role: str) -> None:
    """Missing rights are named by table until granted; rights of the owner alone are a warning."""
    settings = {"database": {"dsn": role}}
    name = conninfo.conninfo_to_dict(role)["user"]
    found = ask(**settings)[1]
    lacking = {one["what"] for one in found["rights"] if one["status"] == "fault"}
    assert "no right to SELECT, INSERT, UPDATE, DELETE on mail_events" in lacking
    execute(tables, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}")
    dbname = conninfo.conninfo_to_dict(tables)["dbname"]
    execute(tables, f"GRANT TEMPORARY ON DATABASE {dbname} TO {name}")
    found = ask(**settings)[1]
    assert statuses(found, "schema", "rights") == ["ok", "warning"]
    assert "belongs to another role" in only(found, "rights")[1]
    assert statuses(ask()[1], "rights") == ["warning"]  # a superuser
    execute(tables, f"REVOKE TEMPORARY ON DATABASE {dbname} FROM {name}")
    assert "temporary" in ask(**settings)[1]["rights"][0]["what"]


def test_the_schema_is_missing_old_or_newer(ask: Ask, postgres_dsn: str, role: str) -> None:
    """A schema may be missing, not creatable by this role, up to date, or of a newer program."""
    assert only(ask()[1], "schema")[0] == "warning"
    assert only(ask(database={"dsn": role})[1], "schema")[0] == "fault"
    execute(postgres_dsn, "CREATE TABLE schema_migrations (version integer, name text, applied_at timestamptz)")
    for one in shipped():
        execute(postgres_dsn, "INSERT INTO schema_migrations VALUES (%s, %s, now())", one.version, one.name)
    assert "up to date" in only(ask()[1], "schema")[1]
    execute(postgres_dsn, "INSERT INTO schema_migrations VALUES (9999, 'later', now())")
    assert only(ask()[1], "schema") == ("ok", "version 9999, of a newer collector: this one still works")


def test_what_a_restore_left_out_is_named(ask: Ask, tables: str) -> None:
    """Without an index for queries there is a warning; without the unique index or a trigger there is a fault. What a
    migration is yet to make is not missing.
    """
    execute(tables, "DROP INDEX mail_events_failures")
    with psycopg.connect(tables) as connection:
        connection.execute("DELETE FROM schema_migrations WHERE name = '0022_failures_by_time'")
        connection.commit()
        assert "1 migrations to apply" in only(ask()[1], "schema")[1]
        connection.execute("INSERT INTO schema_migrations VALUES (22, '0022_failures_by_time')")
    status, what = only(ask()[1], "schema")
    assert (status, "index mail_events_failures of mail_events" in what) == ("warning", True)
    execute(tables, "DROP TRIGGER mark_outcomes ON touched_buckets")
    status, what = only(ask()[1], "schema")
    assert (status, "2 indexes and triggers" in what, "trigger mark_outcomes" in what) == ("fault", True, True)


@pytest.mark.parametrize(("seconds", "status"), [(0, "ok"), (5, "warning"), (-5, "warning"), (90, "fault")])
def test_clocks_that_differ_are_told(ask: Ask, monkeypatch: pytest.MonkeyPatch, seconds: float, status: str) -> None:
    """A difference between this machine's clock and the database's is reported."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + seconds)
    assert only(ask()[1], "clock")[0] == status


def test_a_session_dsn_to_another_database_is_a_fault(ask: Ask, postgres_dsn: str) -> None:
    """A session DSN of another database is a fault, because its locks would not protect this one."""
    assert only(ask()[1], "session") == ("ok", "dsn is a direct session")
    elsewhere = conninfo.make_conninfo(postgres_dsn, dbname="postgres")
    found = ask(database={"dsn": postgres_dsn, "session_dsn": elsewhere})[1]
    assert only(found, "session")[0] == "fault"
    assert "another database" in only(found, "session")[1]


@pytest.mark.servers
def test_a_transaction_pooler_gives_itself_away(ask: Ask, postgres_dsn: str, server_logs: Path) -> None:
    """PgBouncer in transaction mode without session_dsn is a fault, also with one connection; session mode is not."""
    port = int(str(conninfo.conninfo_to_dict(postgres_dsn)["port"]))
    found = {}
    for name, settings in POOLERS.items():
        pooler = need(lambda settings=settings: PgBouncer(server_logs, port, settings))  # type: ignore[misc]  # the default binds it
        try:
            pooler.start()
            through = pooler.dsn(postgres_dsn)
            found[name] = only(ask(database={"dsn": through})[1], "session")
            past = only(ask(database={"dsn": through, "session_dsn": postgres_dsn})[1], "session")
            assert past == ("ok", "session_dsn is a direct session")
        finally:
            pooler.remove()
    faulty = "fault", "collector.database.dsn leads through a transaction pooler: locks would not last"
    assert found == {"many": faulty, "one": faulty, "session": ("ok", "dsn leads through a pooler in session mode")}


def test_a_journal_in_the_wrong_place_is_told(ask: Ask, tmp_path: Path) -> None:
    """A journal in memory, in a folder that cannot be made, or on a disk smaller than its quota is reported."""
    memory = Path("/dev/shm") / f"duckwatch-{uuid4().hex}"  # only named, never made
    if file_system(memory.parent) == "tmpfs":
        assert only(ask(journal={"path": str(memory / "journal")})[1], "journal")[0] == "fault"
    (tmp_path / "file").write_text("")
    found = ask(journal={"path": str(tmp_path / "file" / "journal")})[1]
    assert statuses(found, "journal", "journal fsync") == ["fault", "skipped"]
    found = ask(journal={"path": str(tmp_path / "file" / "new" / "journal")})[1]
    # The folder above is somebody else's: to be left alone.
    assert found["journal"][0]["remedy"].endswith(f"install -d -o USER -m 0700 {tmp_path}/file/new")
    assert (
        only(ask(journal={"path": str(tmp_path / "j"), "max_bytes": "1000000TiB"})[1], "journal room")[0] == "warning"
    )


def test_the_file_system_is_the_one_that_df_names() -> None:
    """The reported file system is the one that df names."""
    for place in ("/", "/proc", "/dev/shm", "/tmp"):  # only read
        done = subprocess.run(["df", "--output=fstype", place], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            assert file_system(Path(place)) == done.stdout.split()[-1]


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n<html>{",
        b"HTTP/1.1 500 Oh\r\n\r\n\xff\xfe",
        b"HTTP/1.1 200 OK\r\n\r\n[1]",
    ],
)
def test_whatever_answers_there_ends_no_examination(ask: Ask, said: bytes) -> None:
    """Any other answer on the collector's port (no HTTP, JSON, text) is a fault, and the other
    checks are still made.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client = server.accept()[0]
                    client.settimeout(5)
                    with client:
                        client.recv(4096)
                        client.sendall(said)

        threading.Thread(target=answer, daemon=True).start()
        found = ask(listen=f"127.0.0.1:{server.getsockname()[1]}")[1]
        server.shutdown(socket.SHUT_RDWR)
    assert statuses(found, "collector", "prometheus")[0] == "fault"
    assert statuses(found, "collector", "prometheus")[1] in {"skipped", "warning"}


def test_a_check_that_fails_hides_no_other() -> None:
    """A check that raises is a fault named by its type, without the error's text, and the other checks are made."""

    def broken(installation: Installation) -> Iterator[Finding]:
        yield ok("so far")
        raise RuntimeError(CANARY)

    found = list(examine(Installation(Section(), None), {"one": broken, "two": lambda _: iter([ok("fine")])}))
    assert [(one.check, one.status.value) for one in found] == [("one", "ok"), ("one", "fault"), ("two", "ok")]
    assert CANARY not in str(found)


def test_what_answers_in_the_collectors_place_is_told(ask: Ask, tmp_path: Path, server_logs: Path) -> None:
    """Another program on the port is a fault; a collector without its database is a warning while
    its journal has room.
    """
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        code, found = ask(listen=f"127.0.0.1:{other.server_address[1]}")
        other.shutdown()
    assert (code, only(found, "collector")[0]) == (1, "fault")
    dsn = f"postgresql://nobody@127.0.0.1:{free_port()}/nowhere"
    collector = Collector(tmp_path / "collector", server_logs, dsn)
    collector.start()
    found = ask(listen=f"127.0.0.1:{collector.port}")[1]
    collector.stop()
    assert only(found, "collector")[0] == "warning"
    assert "database" in only(found, "collector")[1]
    assert only(found, "prometheus")[0] == "warning"


def test_a_collector_with_a_certificate_is_asked_by_tls(ask: Ask, tmp_path: Path, server_logs: Path) -> None:
    """A collector with TLS is asked by TLS, whatever name its certificate has."""
    tls = {"tls": {"certificate": str(TLS / "one.pem"), "key": str(TLS / "one.key")}}
    dsn = f"postgresql://nobody@127.0.0.1:{free_port()}/nowhere"
    collector = Collector(tmp_path / "collector", server_logs, dsn, tls)
    collector.start(wait=False)
    listen = f"127.0.0.1:{collector.port}"
    wait_until(lambda: "runs, but" in only(ask(listen=listen, **tls)[1], "collector")[1], "an answer", every=0.5)
    collector.stop()


def test_plugins_and_dead_letters_are_told(ask: Ask, tables: str) -> None:
    """Plugins that are silent, delayed or dropping, and dead letters by reason, are reported without control
    characters.
    """
    assert only(ask()[1], "plugins")[0] == "warning"
    execute(tables, REPORTS, "good", None, 0, "10 s")
    assert only(ask()[1], "plugins")[0] == "ok"
    execute(tables, REPORTS, "silent\x1b[2J", None, 0, "1 h")
    execute(tables, REPORTS, "holding", "20 min", 7, "10 s")
    told = [one["what"] for one in ask()[1]["plugins"]]
    assert told == [
        "silent?[2J (eu1) has been silent for 60 min",
        "holding (eu1) holds events 20 min old",
        "holding (eu1) has dropped 7 events",
    ]
    execute(
        tables,
        "INSERT INTO dead_letters SELECT n, now(), 'c', 'plugin', 'no_time', '', '' FROM generate_series(1, 3) n",
    )
    assert only(ask()[1], "dead letters") == ("warning", "3 events set aside: no_time")


@pytest.mark.servers
def test_each_mongodb_is_followed_for_a_try(tmp_path: Path, server_logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each MongoDB is tried: a missing collection, server, right, password or replica set is reported."""
    monkeypatch.setattr(mongo, "PATIENCE_MS", 1000)
    folder = tmp_path / "mongo"
    server, guarded, alone = (
        need(lambda words=words: Secantus(folder, server_logs, more=words))  # type: ignore[misc]  # the default binds it
        for words in ([], ["--auth"], ["--standalone"])
    )

    def told(server: Secantus, user: str = "", **keys: str) -> list[tuple[str, str]]:
        uri = server.uri("").replace("//", f"//{user}") + ("?authSource=zone-mta" if user else "")
        section = Section.model_validate({"mongo": [{"cluster": "eu1", "uri": uri, **keys}]})
        found = list(examine(Installation(section, None), {"mongodb": CHECKS["mongodb"]}))
        assert "c4nary" not in str(found)
        return [(one.status.value, one.what) for one in found]

    queue = "ok", "eu1: zone-mta.zone-queue can be followed"
    server.start()
    with pymongo.MongoClient[Any](server.uri("")) as client:
        client["zone-mta"]["zone-queue"].insert_one({"id": "q1"})
        client["zone-mta"].command("createUser", "duck", pwd="c4nary", roles=[{"role": "read", "db": "zone-mta"}])
    assert told(server) == [queue, ("warning", "eu1: wildduck.messages does not exist: its rights cannot be checked")]
    assert [status for status, _ in told(server, queue_collection="other")] == ["warning", "warning"]
    server.stop()
    assert told(server) == [("fault", "eu1: MongoDB does not answer")]
    guarded.start()
    assert told(guarded, "duck:c4nary@") == [queue, ("fault", "eu1: wildduck.messages may not be read by this user")]
    assert told(guarded, "duck:wr0ng@") == [("fault", "eu1: MongoDB refuses user or password")]
    assert told(guarded)[0] == ("fault", "eu1: zone-mta.zone-queue may not be read by this user")
    guarded.kill()
    alone.start()
    assert told(alone) == [("fault", "eu1: a standalone MongoDB, without change streams")]
    alone.kill()


def test_a_feed_that_no_sender_names_is_told(ask: Ask, tables: str) -> None:
    """A feed whose cluster no token and no recent plugin names is reported."""
    execute(tables, REPORTS, "mta1", None, 0, "10 s")  # of the cluster eu1
    gelf = {"udp": "127.0.0.1:0"}
    assert only(ask(gelf=gelf | {"cluster": "eu1"})[1], "clusters")[0] == "ok"
    code, found = ask(gelf=gelf | {"cluster": "eu"})
    assert (code, only(found, "clusters")[0]) == (1, "fault")


def test_a_gelf_listener_that_everyone_or_nobody_may_use_is_told(ask: Ask) -> None:
    """Without senders in `allow` only this machine may send. A listener that all or none of them reach is a fault."""
    assert only(ask()[1], "gelf") == ("ok", "off: no collector.gelf")
    gelf = {"udp": "127.0.0.1:0"}
    assert only(ask(gelf=gelf)[1], "gelf") == ("ok", "udp 127.0.0.1:0, from this machine")
    status, what = only(ask(gelf={"udp": "0.0.0.0:0", "allow": ["0.0.0.0/0"]})[1], "gelf")
    assert (status, "lets every address send" in what) == ("fault", True)
    status, what = only(ask(gelf=gelf | {"allow": ["10.0.0.0/8"]})[1], "gelf")
    assert (status, what.partition(", ")[0]) == ("fault", "collector.gelf.udp is a loopback address")


def test_the_otlp_receiver_is_tried(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """An OTLP receiver that accepts both signals is fine, a missing one is reported."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with http_receiver() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{received.port}")
        found = ask()[1]
        assert statuses(found, "telemetry", "prometheus") == ["ok", "ok", "ok"]
        assert (len(received.traces), len(received.pushes)) == (1, 1)
    assert statuses(ask()[1], "telemetry") == ["warning", "warning"]


def test_a_terminal_gets_lines_with_remedies(
    postgres_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A terminal gets one line for each finding, the remedy below it, and the total at the end."""
    config = tmp_path / "duckwatch.yml"
    section = {"database": {"dsn": postgres_dsn}, "journal": {"path": str(tmp_path / "journal")}}
    config.write_text(yaml.safe_dump({"collector": section}), encoding="utf-8")
    assert main(["--config", str(config), "doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("fault    durability     fsync is off: a crash of its machine destroys the database")
    assert lines[at + 1].strip().startswith("-> ALTER SYSTEM SET fsync = on")
    assert lines[-1].startswith("faults: 2, warnings: ")


def test_a_dry_run_prints_what_a_run_would_do_and_does_nothing(
    postgres_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`migrate --dry-run` changes nothing; --status names pending migrations (exit code 1), then applied ones."""
    config = tmp_path / "duckwatch.yml"
    config.write_text(yaml.safe_dump({"collector": {"database": {"dsn": postgres_dsn}}}), encoding="utf-8")

    def migrate(*options: str) -> tuple[int, str]:
        return main(["--config", str(config), "migrate", *options]), capsys.readouterr().out

    code, printed = migrate("--dry-run")
    assert code == 0
    assert all(f"-- {one.name}\n{one.sql}" in printed for one in shipped())
    code, printed = migrate("--status")
    assert (code, len(printed.splitlines())) == (1, len(shipped()))
    assert printed.startswith("pending")
    migrate()
    code, printed = migrate("--status")
    assert (code, [line.split()[0] for line in printed.splitlines()]) == (0, ["applied"] * len(shipped()))
    assert "nothing to apply" in migrate("--dry-run")[1]


def test_check_config_names_the_faults_of_file_and_environment_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2; a good configuration is exit code 0."""
    config = tmp_path / "duckwatch.yml"
    config.write_text("collector: {listen: nowhere}", encoding="utf-8")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere")
    assert main(["--config", str(config), "check-config"]) == 2
    keys = {line.partition(":")[0] for line in capsys.readouterr().err.splitlines()}
    assert keys == {"collector.listen", "OTEL_EXPORTER_OTLP_ENDPOINT"}
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    config.write_text("collector: {}", encoding="utf-8")
    assert main(["--config", str(config), "check-config"]) == 0


OBSTACLES: dict[str, tuple[str, str, str]] = {
    "ALTER TABLE mail_events ENABLE ROW LEVEL SECURITY; ALTER TABLE mail_events FORCE ROW LEVEL SECURITY": (
        "fault", "row security holds", "NO FORCE ROW LEVEL SECURITY",
    ),
    "CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';"
    "CREATE TRIGGER audited BEFORE INSERT ON mail_events FOR EACH ROW EXECUTE FUNCTION audit()": (
        "warning", "the trigger audited on mail_events is not ours", "DISABLE TRIGGER audited",
    ),
    "CREATE RULE quiet AS ON INSERT TO dead_letters DO INSTEAD NOTHING": (
        "warning", "the rule quiet on dead_letters", "DROP RULE quiet",
    ),
    "CREATE TABLE tenants (name text PRIMARY KEY);"
    "ALTER TABLE mail_events ADD CONSTRAINT of_tenant FOREIGN KEY (cluster) REFERENCES tenants": (
        "warning", "the constraint of_tenant on mail_events", "DROP CONSTRAINT of_tenant",
    ),
    "CREATE UNIQUE INDEX once ON auth_events (username)": (
        "warning", "the unique index once on auth_events", "DROP INDEX once"
    ),
    "ALTER TABLE queue_snapshots REPLICA IDENTITY NOTHING; CREATE PUBLICATION everything FOR ALL TABLES": (
        "fault", "the publication everything holds public.queue_snapshots",
        'ALTER TABLE "public"."queue_snapshots" REPLICA IDENTITY FULL',
    ),
}  # fmt: skip
"""Change of the tables -> status, finding, and what to type."""


@pytest.mark.parametrize(
    ("status", "what", "remedy"), OBSTACLES.values(), ids=["security", "trigger", "rule", "key", "index", "publication"]
)
def test_what_others_put_on_our_tables_is_named(
    ask: Ask, tables: str, role: str, request: pytest.FixtureRequest, status: str, what: str, remedy: str
) -> None:
    """Foreign triggers, policies and rules on the tables are named, with what to type."""
    name = conninfo.conninfo_to_dict(role)["user"]
    execute(tables, f"ALTER SCHEMA public OWNER TO {name}")
    for table in migrated_tables():
        execute(tables, f"ALTER TABLE {table} OWNER TO {name}")
    assert only(ask(database={"dsn": role})[1], "obstacles")[0] == "ok"
    damage = next(damage for damage, told in OBSTACLES.items() if told == (status, what, remedy))
    for statement in damage.split(";" if "plpgsql" not in damage else ";CREATE"):
        execute(tables, statement if not statement.startswith(" TRIGGER") else f"CREATE{statement}")
    [found] = ask(database={"dsn": role})[1]["obstacles"]
    execute(tables, f"REASSIGN OWNED BY {name} TO postgres")
    assert found["status"] == status
    assert found["what"].startswith(what)
    assert remedy in found["remedy"]


@pytest.mark.servers
def test_the_state_of_timescaledb_is_named(ask: Ask, timescale_dsn: str) -> None:
    """TimescaleDB's restoring mode and a schema without usage right are named, with what to type."""
    execute(
        timescale_dsn,
        f"ALTER DATABASE {conninfo.conninfo_to_dict(timescale_dsn)['dbname']} SET timescaledb.restoring = on",
    )
    [found] = ask(database={"dsn": timescale_dsn})[1]["obstacles"]
    assert (found["status"], "timescaledb_post_restore" in found["remedy"]) == ("fault", True)
    execute(
        timescale_dsn,
        f"ALTER DATABASE {conninfo.conninfo_to_dict(timescale_dsn)['dbname']} RESET timescaledb.restoring",
    )
    name = f"role_{uuid4().hex[:8]}"
    execute(timescale_dsn, f"CREATE ROLE {name} LOGIN")
    execute(timescale_dsn, "REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    try:
        [found] = ask(database={"dsn": conninfo.make_conninfo(timescale_dsn, user=name)})[1]["obstacles"]
        assert (found["status"], found["remedy"]) == ("fault", f"GRANT USAGE ON SCHEMA public TO {name}")
    finally:
        execute(timescale_dsn, f"DROP ROLE {name}")
