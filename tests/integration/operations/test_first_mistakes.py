"""Mistakes of a first installation: each is named by `check-config` or `doctor`, with what to type."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import os
import shutil
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock
from uuid import uuid4

import psycopg
import pytest
import yaml

from collector.__main__ import main as collector_main
from duckwatch.rules.__main__ import main as rules_main
from exporters.dnsbl.__main__ import main as dnsbl_main
from tests.servers.fixtures import need
from tests.servers.installed import tree
from tests.servers.missing import MissingServerError
from tests.servers.postgres import EmbeddedPostgres
from tests.servers.process import Process, free_port, wait_until
from tests.servers.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

RULES = Path(__file__).parents[3] / "alert-rules"
PASSWORD = "Fir5t@Secr3t/Th1rd"


class Site(NamedTuple):
    """A machine to install on: a folder, and a PostgreSQL server whose rules let the role `dw` in by password only."""

    folder: Path
    cluster: EmbeddedPostgres
    database: str

    def dsn(self, user: str = "dw", password: str = "right", **other: str) -> str:
        settings = {"host": "127.0.0.1", "port": str(self.cluster.port), "dbname": self.database, "user": user}
        settings |= {"password": password} | other
        return " ".join(f"{name}={value}" for name, value in settings.items())

    def sql(self, *statements: str) -> None:
        with psycopg.connect(self.cluster.dsn(self.database), autocommit=True) as connection:
            for one in statements:
                connection.execute(one.format(database=self.database).encode())


class Mistake(NamedTuple):
    """One mistake: the user's settings (or the whole file as text), and the place and words of the expected message."""

    what: str
    command: str
    settings: Callable[[Site], dict[str, Any] | str | bytes]
    where: str
    words: Sequence[str]


def file(site: Site, content: bytes | str) -> str:
    path = site.folder / uuid4().hex
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def section(**keys: Any) -> Callable[[Site], dict[str, Any]]:
    return lambda _: {"collector": keys}


def dsn(**of: str) -> Callable[[Site], dict[str, Any]]:
    return lambda site: {"collector": {"database": {"dsn": site.dsn(**of)}}}


def after(*statements: str) -> Callable[[Site], dict[str, Any]]:
    def settings(site: Site) -> dict[str, Any]:
        site.sql(*statements)
        return {"collector": {"database": {"dsn": site.dsn()}}}

    return settings


def migrated(*statements: str) -> Callable[[Site], dict[str, Any]]:
    def settings(site: Site) -> dict[str, Any]:
        path = site.folder / "migrate.yml"
        path.write_text(yaml.safe_dump({"collector": {"database": {"dsn": site.dsn()}}}), encoding="utf-8")
        with contextlib.redirect_stdout(io.StringIO()):
            assert collector_main(["--config", str(path), "migrate"]) == 0
        return after(*statements)(site)

    return settings


def without_rules(site: Site) -> dict[str, Any]:
    prometheus = need(lambda: Prometheus(site.folder / "prometheus", site.folder, {}))
    return {"collector": {"doctor": {"prometheus": prometheus.url}}, "start": prometheus}


def rules_as_shipped(site: Site) -> dict[str, Any]:
    prometheus = need(
        lambda: Prometheus(site.folder / "prometheus", site.folder, {}, sorted((RULES / "alerts").glob("*.yml")))
    )
    return {"collector": {"doctor": {"prometheus": prometheus.url}}, "start": prometheus}


class Stranger:
    """Another program's web server on the collector's port."""

    def __init__(self) -> None:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
        self.listen = f"127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class WrongClock:
    """This machine's clock, two minutes ahead of the database's."""

    def start(self) -> None:
        real = time.time
        self._patch = mock.patch("time.time", side_effect=lambda: real() + 120)
        self._patch.start()

    def stop(self) -> None:
        self._patch.stop()


def behind_a_stranger(_: Site) -> dict[str, Any]:
    other = Stranger()
    return {"collector": {"listen": other.listen}, "start": other}


def journal_of_another(site: Site) -> dict[str, Any]:
    """Make a journal of another user. Root's start succeeds with it, and then the service's user fails."""
    path = file(site, "")
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    else:
        Path(path).chmod(0)
    return {"collector": {"journal": {"path": path}}}


MISTAKES = (
    Mistake(
        "a wrong port",
        "doctor",
        dsn(port="1"),
        "database",
        ["is PostgreSQL running there"],
    ),
    Mistake(
        "no database",
        "doctor",
        dsn(dbname="nowhere"),
        "database",
        ["CREATE DATABASE duckwatch OWNER duckwatch TEMPLATE template0"],
    ),
    Mistake("no role", "doctor", dsn(user="nobody"), "database", ["CREATE ROLE duckwatch LOGIN"]),
    Mistake("a wrong password", "doctor", dsn(password="wrong"), "database", ["\\password duckwatch"]),
    Mistake("TLS is required", "doctor", dsn(user="tls"), "database", ["?sslmode=require"]),
    Mistake("no rule in pg_hba.conf", "doctor", dsn(user="outside"), "database", ["pg_hba.conf needs a line"]),
    Mistake(
        "no CREATE on the schema",
        "doctor",
        after("ALTER DATABASE {database} OWNER TO postgres", "REVOKE CREATE ON SCHEMA public FROM dw, PUBLIC"),
        "schema",
        ["GRANT CREATE ON SCHEMA public TO"],
    ),
    Mistake(
        "no CONNECT",
        "doctor",
        after("ALTER DATABASE {database} OWNER TO postgres", "REVOKE CONNECT ON DATABASE {database} FROM dw, PUBLIC"),
        "database",
        ["GRANT CONNECT ON DATABASE"],
    ),
    Mistake(
        "a password not encoded",
        "check-config",
        section(database={"dsn": f"postgresql://dw:{PASSWORD}@127.0.0.1/mail"}),
        "collector.database.dsn",
        ["@ as %40", "/ as %2F"],
    ),
    Mistake(
        "a password not quoted",
        "check-config",
        section(database={"dsn": f"host=h password={PASSWORD} x"}),
        "collector.database.dsn",
        ["in single quotes"],
    ),
    Mistake(
        "a file of the CA that is missing",
        "check-config",
        section(database={"dsn": "host=h sslmode=verify-full sslrootcert=/nowhere"}),
        "collector.database.dsn",
        ["sslrootcert names a file that is missing"],
    ),
    Mistake(
        "MongoDB's CA file is missing",
        "check-config",
        section(mongo=[{"uri": "mongodb://h/?tls=true&tlsCAFile=/nowhere"}]),
        "collector.mongo.0.uri",
        ["tlsCAFile names a file that is missing"],
    ),
    Mistake(
        "the reader has no role",
        "doctor",
        migrated("DROP OWNED BY duckwatch_reader", "DROP ROLE duckwatch_reader"),
        "dashboards",
        ["CREATE ROLE duckwatch_reader LOGIN"],
    ),
    Mistake(
        "the reader has no grants",
        "doctor",
        migrated("SET ROLE dw; REVOKE SELECT ON mail_events FROM duckwatch_reader"),
        "dashboards",
        ["GRANT SELECT ON mail_events"],
    ),
    Mistake(
        "the reader has no password",
        "doctor",
        migrated("ALTER ROLE dw SUPERUSER"),
        "dashboards",
        ["\\password duckwatch_reader"],
    ),
    Mistake(
        "the plugin in one context",
        "doctor",
        migrated(
            "ALTER TABLE plugin_reports ADD COLUMN IF NOT EXISTS contexts text[]",
            "INSERT INTO plugin_reports (cluster, host, process, version, spool_bytes, dropped, received_at, contexts) "
            "VALUES ('eu1', 'mta1', 'p', '1', 0, 0, now(), '{{receiver}}')",
        ),
        "contexts",
        [
            'enabled = ["receiver", "sender", "main"] in the plugin\'s section of ZoneMTA\'s configuration',
            "delivered, deferred and bounced",
        ],
    ),
    Mistake("no plugin at all", "doctor", migrated(), "plugins", ["install it in ZoneMTA"]),
    Mistake("Prometheus does not scrape", "doctor", section(), "prometheus", ["no collector answers"]),
    Mistake(
        "no alert rule is loaded",
        "doctor",
        without_rules,
        "alert rules",
        ["rule_files: [thresholds.yml, recording/*.yml, alerts/*.yml]"],
    ),
    Mistake(
        "the links of the example were left in the alerts",
        "doctor",
        rules_as_shipped,
        "alert rules",
        ["duckwatch-rules build --runbook-url URL --grafana-url URL"],
    ),
    Mistake("doctor does not know Prometheus", "doctor", section(), "alert rules", ["set collector.doctor.prometheus"]),
    Mistake(
        "no Alertmanager",
        "doctor",
        lambda _: {"collector": {"doctor": {"alertmanager": f"http://u:{'p'}@127.0.0.1:{free_port()}"}}},
        "alertmanager",
        ["correct collector.doctor.alertmanager"],
    ),
    Mistake(
        "the journal is a folder",
        "doctor",
        lambda site: {"collector": {"journal": {"path": str(site.folder)}}},
        "journal",
        ["name a file in it"],
    ),
    Mistake(
        "the journal's folder cannot be made",
        "doctor",
        lambda site: {"collector": {"journal": {"path": f"{file(site, '')}/journal"}}},
        "journal",
        ["install -d -o USER -m 0700"],
    ),
    Mistake(
        "the journal belongs to another user",
        "doctor",
        journal_of_another,
        "journal",
        ["as the user that runs the collector"],
    ),
    Mistake(
        "a clock that is off",
        "doctor",
        lambda _: {"collector": {}, "start": WrongClock()},
        "clock",
        ["timedatectl set-ntp true"],
    ),
    Mistake(
        "another program has the port",
        "doctor",
        behind_a_stranger,
        "collector",
        ["stop it, or change collector.listen"],
    ),
    Mistake("the collector does not run", "doctor", section(), "collector", ["start the collector"]),
    Mistake(
        "clusters that differ",
        "doctor",
        section(auth={"tokens": [{"token": "x", "cluster": "eu1"}]}, gelf={"udp": "127.0.0.1:0", "cluster": "eu2"}),
        "clusters",
        ["give both one name"],
    ),
    Mistake(
        "GELF from everywhere",
        "check-config",
        section(gelf={"udp": "0.0.0.0:12201"}),
        "collector.gelf.allow",
        ["like [10.0.0.0/8]"],
    ),
    Mistake(
        "an open port without a token",
        "check-config",
        section(listen="0.0.0.0:9626"),
        "collector.auth",
        ["must hold a token"],
    ),
    Mistake(
        "a token file that is empty",
        "check-config",
        lambda site: {"collector": {"auth": {"tokens": [{"token_file": file(site, "\n")}]}}},
        "collector.auth.tokens.0.token_file",
        ["a file that holds the secret"],
    ),
    Mistake(
        "a token file that is missing",
        "check-config",
        section(auth={"tokens": [{"token_file": "/nowhere"}]}),
        "collector.auth.tokens.0.token_file",
        ["a file that this user can read"],
    ),
    Mistake(
        "a token file with two lines",
        "check-config",
        lambda site: {"collector": {"auth": {"tokens": [{"token_file": file(site, "a\nb\n")}]}}},
        "collector.auth.tokens.0.token",
        ["without spaces"],
    ),
    Mistake(
        "a token file with a BOM",
        "check-config",
        lambda site: {"collector": {"auth": {"tokens": [{"token_file": file(site, b"\xef\xbb\xbfx")}]}}},
        "collector.auth.tokens.0.token_file",
        ["without BOM"],
    ),
    Mistake(
        "a tab",
        "check-config",
        lambda _: "collector:\n\tlisten: 127.0.0.1:1\n",
        "line 2, column 1",
        ["a tab", "write spaces"],
    ),
    Mistake(
        "UTF-16", "check-config", lambda _: "collector: {}\n".encode("utf-16"), "duckwatch.yml", ["save it as UTF-8"]
    ),
    Mistake("an unknown key", "check-config", section(databse={}), "collector.databse", ["did you mean database?"]),
    Mistake(
        "a key of another section",
        "check-config",
        lambda _: {"colector": {}},
        "colector",
        ["did you mean collector?"],
    ),
    Mistake(
        "a duration without a unit", "check-config", section(retention={"raw": 30}), "collector.retention.raw", ["30d"]
    ),
    Mistake(
        "a size with a wrong unit",
        "check-config",
        section(journal={"max_bytes": "8GB"}),
        "collector.journal.max_bytes",
        ["8GiB"],
    ),
    Mistake(
        "a section twice", "check-config", lambda _: "collector: {}\ncollector: {}\n", "line 2", ["gives a key twice"]
    ),
    Mistake(
        "a list for a map",
        "check-config",
        lambda _: "collector:\n  - listen: 127.0.0.1:1\n",
        "collector",
        ["must be a mapping"],
    ),
    Mistake(
        "text for a number",
        "check-config",
        section(limits={"connections": "many"}),
        "collector.limits.connections",
        ["must be a whole number"],
    ),
    Mistake(
        "a port in a list", "check-config", section(gelf={"udp": "12201"}), "collector.gelf.udp", ["must be HOST:PORT"]
    ),
    Mistake(
        "a certificate without a key",
        "check-config",
        section(tls={"certificate": "/nowhere.pem"}),
        "collector.tls.certificate",
        ["a file that is missing"],
    ),
    Mistake(
        "a DNSBL target that is none",
        "dnsbl",
        lambda _: {"dnsbl": {"targets": ["192.0.2.1/33"]}},
        "dnsbl.targets.0.target",
        ["must be"],
    ),
    Mistake(
        "a key within a list's zone",
        "dnsbl",
        lambda _: {"dnsbl": {"more_lists": ["abcdefghijklmnopqrstuvwxyz.zen.dq.spamhaus.net"]}},
        "dnsbl.more_lists.0.zone",
        ["key_file"],
    ),
    Mistake(
        "a password in the collector's URL",
        "dnsbl",
        lambda _: {"dnsbl": {"collector": {"url": "http://u:Secr3t@127.0.0.1:9626"}}},
        "dnsbl.collector.url",
        ["token is a key of its own"],
    ),
)


@pytest.fixture(scope="module")
def cluster(server_logs: Path) -> Iterator[EmbeddedPostgres]:
    """Yield a server with a different access rule for each role."""
    made = need(lambda: EmbeddedPostgres(server_logs))
    try:
        made.initialise()
        made.start()
        with psycopg.connect(made.dsn(), autocommit=True) as admin:
            for role in ("dw", "tls", "outside"):
                admin.execute(f"CREATE ROLE {role} LOGIN CREATEROLE PASSWORD 'right'".encode())
            hba = Path(admin.execute("SHOW hba_file").fetchall()[0][0])
            rules = [
                "hostssl all tls 127.0.0.1/32 scram-sha-256",
                "hostnossl all tls 127.0.0.1/32 reject",
                "host all outside 127.0.0.1/32 reject",
                "host all postgres 127.0.0.1/32 trust",
                "host all all 127.0.0.1/32 scram-sha-256",
            ]
            hba.write_text("\n".join(rules) + "\n", encoding="utf-8")
            admin.execute("SELECT pg_reload_conf()")
        yield made
    finally:
        made.remove()


@pytest.fixture
def site(cluster: EmbeddedPostgres, tmp_path: Path) -> Iterator[Site]:
    """Yield a site with a new database that `dw` owns."""
    made = cluster.create_database()
    name = made.rsplit("/", 1)[1]
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} OWNER TO dw".encode())
    yield Site(tmp_path, cluster, name)
    cluster.drop_database(made)
    with psycopg.connect(cluster.dsn(), autocommit=True) as admin:
        admin.execute("ALTER ROLE dw NOSUPERUSER")


def answers(port: int) -> bool:
    """Return True when an Alertmanager is ready there."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2).close()
    except OSError:
        return False
    return True


def start_alertmanager(logs: Path, port: int) -> tuple[Process, Path]:
    """Start Debian's Alertmanager in its tree, where its template is. Return its folder too.

    Raise `MissingServerError`.
    """
    root = tree()
    if os.geteuid() != 0:
        raise MissingServerError("Alertmanager runs in a chroot: run the tests as root")
    folder = Path(tempfile.mkdtemp(dir=root / "tmp"))
    (folder / "config.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n", encoding="utf-8")
    inside = f"/tmp/{folder.name}"
    words = [
        f"--config.file={inside}/config.yml",
        f"--storage.path={inside}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    program = ["chroot", str(root), "/usr/bin/prometheus-alertmanager", *words]
    return Process("alertmanager", program, logs / "alertmanager.log", cwd=Path("/")), folder


def say(site: Site, mistake: Mistake, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the command's messages about the user's settings, one a line."""
    written = mistake.settings(site)
    server = written.pop("start", None) if isinstance(written, dict) else None
    if isinstance(written, dict) and mistake.command == "doctor":
        own = {
            "listen": f"127.0.0.1:{free_port()}",
            "database": {"dsn": site.dsn()},
            "journal": {"path": str(site.folder / "journal")},
        }
        written = {"collector": own | written["collector"]}
    path = site.folder / "duckwatch.yml"
    content = written if isinstance(written, (str, bytes)) else yaml.safe_dump(written)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    capsys.readouterr()
    if server is not None:
        server.start()
    try:
        main = dnsbl_main if mistake.command == "dnsbl" else collector_main
        words = ["doctor", "--json"] if mistake.command == "doctor" else ["check-config"]
        code = main(["--config", str(path), *words])
    finally:
        if server is not None:
            server.stop()
    printed = capsys.readouterr()
    assert not any(part in printed.out + printed.err for part in ("Fir5t", "Secr3t", "Th1rd", "Traceback"))
    if mistake.command != "doctor":
        assert code == 2
        return printed.err.splitlines()
    found = json.loads(printed.out)["findings"]
    return [f"{one['check']}: {one['what']} -> {one['remedy']}" for one in found if one["status"] != "ok"]


@pytest.mark.servers
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.what)
def test_each_mistake_is_answered_by_what_to_type(
    site: Site, mistake: Mistake, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each mistake is named at its place with what to type, and no part of a password is printed."""
    lines = say(site, mistake, capsys)
    about = [line for line in lines if mistake.where in line.partition(": ")[0]]
    assert about, lines
    for word in mistake.words:
        assert any(word in line for line in about), about


@pytest.mark.servers
def test_a_prometheus_with_our_rules_and_an_alertmanager_are_well(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prometheus with the rules and an Alertmanager gives no finding; without an Alertmanager it gives one."""
    house = ("--runbook-url", "https://wiki.house.test/duckwatch", "--grafana-url", "https://grafana.house.test")
    assert rules_main(["build", "--output", str(site.folder / "rules"), *house]) == 0
    capsys.readouterr()
    files = [path for path in (site.folder / "rules").rglob("*.yml") if "groups" in yaml.safe_load(path.read_text())]
    prometheus = need(lambda: Prometheus(site.folder / "prometheus", site.folder, {}, files))
    port = free_port()
    alertmanager, folder = need(lambda: start_alertmanager(site.folder, port))
    settings = {"prometheus": prometheus.url, "alertmanager": f"http://user:Secr3t@127.0.0.1:{port}"}
    prometheus._settings["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]}
    prometheus.start()
    try:
        alertmanager.wait_ready(lambda: answers(port))
        wait_until(lambda: prometheus.api("alertmanagers")["activeAlertmanagers"], "Prometheus knows the Alertmanager")
        lines = say(site, Mistake("", "doctor", section(doctor=settings), "", []), capsys)
    finally:
        prometheus.stop()
        alertmanager.stop()
        shutil.rmtree(folder)
    assert not [line for line in lines if line.startswith(("alert rules", "alertmanager"))], lines
