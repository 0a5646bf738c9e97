"""Tests that draw the dashboards in a real Grafana and a real browser with the demo's data, and look for faults."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from grafana.generate import build_all
from tests.pictures.looking import Report, View, look, rows_open
from tests.pictures.shrinking import is_blank
from tests.pictures.stage import Sources, staged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.grafana import Grafana

PAGES = build_all()
WARM_SECONDS = 90
"""Seconds before the first picture: the demo lists an address after 48 s, and Prometheus has to scrape that."""

PLACE = {"h": 6, "w": 4, "x": 0, "y": 0}

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def sources(grafana_server: Grafana) -> Iterator[Sources]:
    """Yield the data sources in Grafana: the demo's database and a Prometheus."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        staged(grafana_server, Path(folder), rate=20, history=24, warm=WARM_SECONDS) as made,
    ):
        yield made


def _seen(grafana: Grafana, sources: Sources, name: str, page: dict[str, Any]) -> tuple[Report, bytes]:
    page = rows_open(page)
    path = grafana.save(page, grafana.folder())
    view = View(variables=[*sources._asdict().items()])
    return asyncio.run(look(grafana, name, page, path, view))


@pytest.mark.parametrize("name", PAGES)
def test_a_dashboard_has_no_fault(grafana_server: Grafana, sources: Sources, name: str) -> None:
    """Each dashboard is drawn without a fault, and its picture is not blank."""
    page = PAGES[name] | {"uid": f"pictures-{name}"}
    report, picture = _seen(grafana_server, sources, name, page)
    assert report.faults == []
    assert not is_blank(picture)


def test_what_is_wrong_is_found(grafana_server: Grafana, sources: Sources) -> None:
    """The report names a failed query, panels without data, a title that is too long and a column that is too long."""
    panels = [
        _table(sources.timescale, 1, "fails", "SELECT nothing_like_it FROM mail_events"),
        _table(sources.timescale, 2, "is empty", "SELECT 1 AS one WHERE false"),
        _table(sources.timescale, 3, "has a title that is much too long for it " * 2, "SELECT 1 AS one"),
        _table(sources.timescale, 4, "column", "SELECT 1 AS a, 2 AS b, 3 AS c, 4 AS a_column_with_a_very_long_name"),
    ]
    page = {"uid": "pictures-faults", "title": "Faults", "schemaVersion": 38, "panels": panels}
    report, _ = _seen(grafana_server, sources, "faults", page)
    assert report.settled
    assert report.errors == ["1 fails"]
    assert [line for line in report.failed if "nothing_like_it" in line] == report.failed != []
    assert report.failed[0].startswith("1 fails: 400 /api/ds/query: ")
    assert report.no_data == ["1 fails", "2 is empty"]
    assert [line.split()[0] for line in report.cut] == ["3", "4"]
    assert report.cut[1] == "4 column: a_column_with_a_very_long_name"


def _table(uid: str, number: int, title: str, sql: str) -> dict[str, Any]:
    source = {"type": "postgres", "uid": uid}
    target = {"refId": "A", "datasource": source, "rawSql": sql, "format": "table", "rawQuery": True}
    place = PLACE | {"x": 4 * (number - 1)}
    return {"id": number, "type": "table", "title": title, "gridPos": place, "datasource": source, "targets": [target]}
