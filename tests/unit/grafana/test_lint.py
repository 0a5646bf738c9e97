"""The rules that every dashboard keeps: those of Grafana's dashboard-linter that fit, and our own,
over the committed JSON.
"""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest

from grafana.generate import GENERATED
from tests.unit.grafana.macros import MACROS, misused_variables

FILES = sorted(GENERATED.glob("*.json"))
PAGES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FILES}
PANELS = [(f"{name}/{panel['id']}", page, panel) for name, page in PAGES.items() for panel in page["panels"]]

DASHBOARD_KEYS = {
    *("annotations", "description", "editable", "fiscalYearStartMonth", "graphTooltip", "links", "panels", "refresh"),
    *("schemaVersion", "tags", "templating", "time", "timepicker", "timezone", "title", "uid", "version", "weekStart"),
}
PANEL_KEYS = {
    *("datasource", "description", "fieldConfig", "gridPos", "id", "links", "options", "targets", "title"),
    *("transformations", "transparent", "type"),
}
VARIABLE_KEYS = {
    *(
        "current",
        "datasource",
        "hide",
        "includeAll",
        "label",
        "multi",
        "name",
        "options",
        "query",
        "refresh",
        "sort",
        "type",
    ),
}
TARGET_KEYS = {
    "postgres": {"datasource", "editorMode", "format", "rawQuery", "rawSql", "refId"},
    "prometheus": {"datasource", "editorMode", "expr", "format", "instant", "legendFormat", "range", "refId"},
}

each_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
each_panel = pytest.mark.parametrize(
    ("page", "panel"), [(page, panel) for _, page, panel in PANELS], ids=[name for name, _, _ in PANELS]
)


def test_there_are_dashboards() -> None:
    """The rules below look at something."""
    assert PANELS


def test_dashboards_do_not_clash() -> None:
    """Grafana stops writing a whole folder when two of its dashboards share a uid or a title."""
    assert len({page["uid"] for page in PAGES.values()}) == len(PAGES)
    assert len({page["title"].casefold() for page in PAGES.values()}) == len(PAGES)


@each_page
def test_a_dashboard_has_known_keys_and_a_lasting_uid(page: dict[str, Any]) -> None:
    """Its uid is one that Grafana's API takes (at most 40 of these characters); no key is unknown to the schema."""
    assert set(page) == DASHBOARD_KEYS
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", page["uid"])
    assert page["title"]
    assert page["description"]


@each_page
def test_variables_are_of_known_form(page: dict[str, Any]) -> None:
    """A data source variable offers `postgres` or `prometheus`;
    a query variable asks SQL as text, and has no bare allValue.
    """
    for variable in page["templating"]["list"]:
        assert set(variable) <= VARIABLE_KEYS
        assert variable["label"]
        if variable["type"] == "datasource":
            assert variable["query"] in {"postgres", "prometheus"}
        else:
            assert isinstance(variable["query"], str)
            assert variable["datasource"] == {"type": "postgres", "uid": "${timescale}"}


@each_page
def test_panels_have_ids_and_places_of_their_own(page: dict[str, Any]) -> None:
    """Ids are unique; panels lie within 24 columns and do not overlap."""
    assert len({panel["id"] for panel in page["panels"]}) == len(page["panels"])
    for panel in page["panels"]:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["w"] > 0
        assert place["h"] > 0
        assert place["x"] + place["w"] <= 24
    for one, other in combinations((panel["gridPos"] for panel in page["panels"]), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above


@each_panel
def test_a_panel_explains_itself(page: dict[str, Any], panel: dict[str, Any]) -> None:
    """It has a title, a sentence of description, a unit, and only keys that the schema knows."""
    assert set(panel) == PANEL_KEYS
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert set(panel["fieldConfig"]) == {"defaults", "overrides"}


@each_panel
def test_a_panel_asks_data_sources_that_the_viewer_chose(page: dict[str, Any], panel: dict[str, Any]) -> None:
    """Every reference goes through a variable of the dashboard; nobody's uid is built in."""
    chosen = {f"${{{v['name']}}}": v["query"] for v in page["templating"]["list"] if v["type"] == "datasource"}
    for reference in [panel["datasource"], *(target["datasource"] for target in panel["targets"])]:
        assert chosen[reference["uid"]] == reference["type"]


@each_panel
def test_a_panels_targets_are_of_known_form(page: dict[str, Any], panel: dict[str, Any]) -> None:
    """At least one; ref ids are unique; each has the keys of its data source and no others."""
    assert panel["targets"]
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    for target in panel["targets"]:
        assert set(target) == TARGET_KEYS[target["datasource"]["type"]]


@each_panel
def test_rates_span_what_was_scraped(page: dict[str, Any], panel: dict[str, Any]) -> None:
    """A rate in a panel is over $__rate_interval, which grows with the range and is never less than four scrapes."""
    for target in panel["targets"]:
        spans = re.findall(r"\[([^\]]+)\]", target.get("expr", ""))
        assert set(spans) <= {"$__rate_interval"}


@each_panel
def test_sql_uses_variables_safely(page: dict[str, Any], panel: dict[str, Any]) -> None:
    """A variable in SQL stands as `IN ($name)`, where Grafana quotes it; every macro is one that Grafana knows."""
    for target in panel["targets"]:
        sql = target.get("rawSql", "")
        assert misused_variables(sql) == []
        assert set(re.findall(r"\$(__\w+)", sql)) <= MACROS
        assert "time_bucket" not in sql
        if target.get("format") == "time_series" and sql:
            assert "date_bin('$__interval'" in sql
            assert re.search(r"ORDER BY 1\b", sql)
