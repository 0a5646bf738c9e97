"""Tests of our provisioning files in a real Grafana that runs as in its image: uid 472, group 0, secrets in files."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from psycopg import conninfo

from grafana.generate import GENERATED, build_all, render, write
from tests.pictures.stage import reader_password
from tests.servers import demo
from tests.servers.alertmanager import Alertmanager
from tests.servers.fixtures import need
from tests.servers.grafana import Grafana, StartedGrafana, home
from tests.servers.process import wait_until
from tests.servers.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = build_all()

pytestmark = pytest.mark.servers


class Site(NamedTuple):
    """A Grafana with our provisioning files, its log, and the password that it reads from a file."""

    grafana: Grafana
    log: Path
    password: str


@pytest.fixture(scope="module")
def site(server_logs: Path) -> Iterator[Site]:
    """Yield a Grafana whose provisioning files name the demo's database, a Prometheus and an Alertmanager."""
    need(home)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        mail = stack.enter_context(demo.running("--rate", "20", "--history", "1"))
        prometheus = need(lambda: Prometheus(folder / "prometheus", server_logs, mail.targets))
        alertmanager = need(lambda: Alertmanager(server_logs))
        for server in (prometheus, alertmanager):
            stack.callback(server.stop)
            server.start()
        password = reader_password(mail.dsn)
        _lay_out(folder, password, mail.dsn, prometheus.url, alertmanager.url)
        grafana = StartedGrafana(folder, server_logs, folder / "provisioning", as_in_the_image=os.geteuid() == 0)
        stack.callback(grafana.stop)
        grafana.start()
        client = grafana.client()
        wait_until(partial(_provisioned, client), "every dashboard is served", seconds=60)
        yield Site(client, grafana.log, password)


def _provisioned(grafana: Grafana) -> bool:
    """Return whether Grafana serves every dashboard. Grafana answers requests before it has read all files."""
    status, found = grafana.request("GET", "/api/search?type=dash-db")
    return status == 200 and {page["uid"] for page in PAGES.values()} <= {one["uid"] for one in found}


def _lay_out(folder: Path, password: str, dsn: str, prometheus: str, alertmanager: str) -> None:
    """Write our files as docs/dashboards.md says: owned by root, readable by group 0, closed to all others."""
    secret, dashboards = folder / "duckwatch_reader_password", folder / "dashboards"
    secret.write_text(f"{password}\n")
    write(dashboards, render())
    parts = conninfo.conninfo_to_dict(dsn)
    ours = {
        "timescaledb:5432": f"{parts['host']}:{parts['port']}",
        "http://prometheus:9090": prometheus,
        "http://alertmanager:9093": alertmanager,
        "/run/secrets/duckwatch_reader_password": str(secret),
        "/var/lib/grafana/dashboards/duckwatch": str(dashboards),
    }
    shutil.copytree(GENERATED.parent / "provisioning", folder / "provisioning")
    for path in (folder / "provisioning").rglob("*.yaml"):
        text = path.read_text()
        for theirs, here in ours.items():
            text = text.replace(theirs, here)
        path.write_text(text)
    for path in folder.rglob("*"):
        if "prometheus" not in path.parts:
            path.chmod(0o750 if path.is_dir() else 0o640)
    folder.chmod(0o770)


def test_the_database_answers_as_the_read_only_role(site: Site) -> None:
    """The data source passes its health check, a query runs as `duckwatch_reader`, and the source is read-only."""
    assert _health(site, "duckwatch-timescale") == "OK"
    sql = "SELECT current_user::text AS name, current_setting('server_version_num') AS version"
    query = {"refId": "A", "datasource": {"uid": "duckwatch-timescale"}, "rawSql": sql, "format": "table"}
    answer = site.grafana.ask("POST", "/api/ds/query", {"queries": [query], "from": "now-1h", "to": "now"})
    assert answer["results"]["A"]["frames"][0]["data"]["values"][0] == ["duckwatch_reader"]
    source = site.grafana.ask("GET", "/api/datasources/uid/duckwatch-timescale")
    assert source["readOnly"] is True
    assert source["jsonData"]["connMaxLifetime"] == 300


def test_prometheus_and_alertmanager_answer(site: Site) -> None:
    """Prometheus passes its health check, and Alertmanager answers through Grafana's proxy (it has no health check)."""
    assert _health(site, "duckwatch-prometheus") == "OK"
    status = site.grafana.ask("GET", "/api/datasources/proxy/uid/duckwatch-alertmanager/api/v2/status")
    assert "receiver: nobody" in status["config"]["original"]


@pytest.mark.parametrize("name", PAGES)
def test_a_dashboard_is_served_as_it_is(site: Site, name: str) -> None:
    """Each dashboard is in our folder, equals ours except for `id` and `version`, and cannot be overwritten."""
    page = PAGES[name]
    stored = site.grafana.ask("GET", f"/api/dashboards/uid/{page['uid']}")
    assert (stored["meta"]["folderUid"], stored["meta"]["folderTitle"]) == ("duckwatch-mail", "Mail")
    assert stored["meta"]["provisioned"] is True
    assert _unnumbered(stored["dashboard"]) == _unnumbered(json.loads(json.dumps(page)))
    status, answer = site.grafana.request("POST", "/api/dashboards/db", {"dashboard": page, "overwrite": True})
    assert (status, answer["message"]) == (400, "Cannot save provisioned dashboard")


def test_grafana_finds_no_fault_and_keeps_the_secret(site: Site) -> None:
    """Grafana logs no provisioning error about our files, and neither its log nor its sources show the password."""
    log = site.log.read_text()
    assert site.password not in log + json.dumps(site.grafana.ask("GET", "/api/datasources"))
    faults = [line for line in log.splitlines() if "logger=provisioning" in line and "level=error" in line]
    assert [line for line in faults if "duckwatch" in line] == []


def _health(site: Site, uid: str) -> str:
    return str(site.grafana.ask("GET", f"/api/datasources/uid/{uid}/health")["status"])


def _unnumbered(dashboard: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in dashboard.items() if key not in ("id", "version")}
