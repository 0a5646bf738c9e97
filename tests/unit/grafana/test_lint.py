"""The rules that every dashboard keeps: those of Grafana's dashboard-linter that fit, and our own,
over the committed JSON.

Rules of the linter that do not fit: `template-job`, `template-instance`, `target-job` and `target-instance`
(the names of our metrics say whose they are; a site's job selectors are settings), and `uneditable-dashboard`
(a viewer may look at a panel's query; what comes from files cannot be saved).
"""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest

from grafana.asked import Language, Shape, questions
from grafana.generate import GENERATED
from grafana.normalise import UNQUERIED, all_panels
from tests.contract.promql import CATALOGUE
from tests.unit.grafana.macros import MACROS, misused_variables

FILES = sorted(GENERATED.glob("*.json"))
PAGES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FILES}
PANELS = [
    (f"{name}/{panel['id']}", page, panel) for name, page in PAGES.items() for panel in all_panels(page["panels"])
]
CARDS = [entry for entry in PANELS if entry[2]["type"] != "row"]
QUERIED = [entry for entry in CARDS if entry[2]["type"] not in UNQUERIED]
QUESTIONS = questions(PAGES)
BOARDS = {page["uid"]: page for page in PAGES.values()}

DASHBOARD_KEYS = {
    *("annotations", "description", "editable", "fiscalYearStartMonth", "graphTooltip", "links", "panels", "refresh"),
    *("schemaVersion", "tags", "templating", "time", "timepicker", "timezone", "title", "uid", "version", "weekStart"),
}
CARD_KEYS = {"description", "fieldConfig", "gridPos", "id", "links", "options", "title", "transparent", "type"}
ROW_KEYS = {"collapsed", "gridPos", "id", "panels", "title", "type"}
VARIABLE_KEYS = {
    *("current", "datasource", "hide", "includeAll", "label", "multi", "name", "options", "query", "refresh"),
    *("sort", "type"),
}
TARGET_KEYS = {
    "postgres": {"datasource", "editorMode", "format", "rawQuery", "rawSql", "refId"},
    "prometheus": {"datasource", "editorMode", "expr", "format", "instant", "legendFormat", "range", "refId"},
    "datasource": {"channel", "datasource", "filter", "queryType", "refId"},
}
SOURCES = {"postgres", "prometheus", "alertmanager"}
COUNTED = re.compile(r"\b(?:rate|irate|increase|resets|changes)\($")
IN_PROMQL = re.compile(r'(?P<compared>=~|!~|!=|=)\s*"(?P<text>[^"]*)"')

each_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


def urls(value: Any) -> list[str]:
    """Every URL of links in this JSON."""
    if isinstance(value, list):
        return [url for item in value for url in urls(item)]
    if not isinstance(value, dict):
        return []
    own = [value["url"]] if isinstance(value.get("url"), str) else []
    return own + [url for item in value.values() for url in urls(item)]


def groups(page: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The panels that are seen beside each other: the page's own, and those of each collapsed row."""
    return [page["panels"], *(panel["panels"] for panel in page["panels"] if panel.get("panels"))]


def each(panels: list[tuple[str, dict[str, Any], dict[str, Any]]]) -> pytest.MarkDecorator:
    """Each of these panels beside its page."""
    cases = [(page, panel) for _, page, panel in panels]
    return pytest.mark.parametrize(("page", "panel"), cases, ids=[name for name, _, _ in panels])


def each_question(*languages: Language) -> pytest.MarkDecorator:
    """Each question in one of these languages."""
    found = [question for question in QUESTIONS if question.language in languages]
    return pytest.mark.parametrize("question", found, ids=[question.name for question in found])


def test_there_are_dashboards() -> None:
    """The rules below look at something."""
    assert QUERIED
    assert QUESTIONS


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
    assert page["description"].endswith(".")


@each_page
def test_variables_are_of_known_form(page: dict[str, Any]) -> None:
    """A query variable is asked again when the time range changes, and asks SQL as text;
    none has a bare allValue.
    """
    names = [variable["name"] for variable in page["templating"]["list"]]
    assert len(set(names)) == len(names)
    for variable in page["templating"]["list"]:
        assert set(variable) <= VARIABLE_KEYS
        assert variable["label"]
        assert variable["hide"] == 0
        if variable["type"] == "datasource":
            assert variable["query"] in SOURCES
        elif variable["type"] == "query":
            assert isinstance(variable["query"], str)
            assert variable["refresh"] == 2
            assert variable["multi"] == variable["includeAll"]
        else:
            assert variable["type"] in {"custom", "textbox"}
            assert not variable.get("multi", False)


@each_page
def test_a_variable_is_used(page: dict[str, Any]) -> None:
    """What the viewer chooses changes something."""
    texts = [question.text for question in QUESTIONS if BOARDS[page["uid"]] is PAGES[question.dashboard]]
    uids = re.findall(r'"uid": "\$\{(\w+)\}"', json.dumps(page))
    used = {name for text in texts for name in re.findall(r"\$\{?(\w+)", text)} | set(uids)
    assert {variable["name"] for variable in page["templating"]["list"]} <= used


@each_page
def test_panels_have_ids_and_places_of_their_own(page: dict[str, Any]) -> None:
    """Ids are there and unique; panels lie within 24 columns and do not overlap."""
    panels = all_panels(page["panels"])
    ids = [panel["id"] for panel in panels]
    assert all(isinstance(number, int) and number > 0 for number in ids)
    assert len(set(ids)) == len(ids)
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["w"] > 0
        assert place["h"] > 0
        assert place["x"] + place["w"] <= 24
    for group in groups(page):
        for one, other in combinations((panel["gridPos"] for panel in group), 2):
            beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
            assert beside or above


@each_page
def test_panels_side_by_side_have_one_height(page: dict[str, Any]) -> None:
    """No hole in the page."""
    for group in groups(page):
        heights: dict[int, set[int]] = {}
        for panel in group:
            heights.setdefault(panel["gridPos"]["y"], set()).add(panel["gridPos"]["h"])
        assert all(len(found) == 1 for found in heights.values())


@each_page
def test_a_row_has_a_title(page: dict[str, Any]) -> None:
    """A header without words says nothing; an open row's panels follow it."""
    for row in (panel for panel in page["panels"] if panel["type"] == "row"):
        assert set(row) == ROW_KEYS
        assert row["title"]
        assert bool(row["panels"]) == row["collapsed"]


@each(CARDS)
def test_a_panel_explains_itself(page: dict[str, Any], panel: dict[str, Any]) -> None:
    """It has a title, and a sentence of description."""
    assert set(panel) >= CARD_KEYS
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert set(panel["fieldConfig"]) == {"defaults", "overrides"}


@each(QUERIED)
def test_a_panel_has_a_unit(page: dict[str, Any], panel: dict[str, Any]) -> None:
    """And only keys that the schema knows."""
    assert set(panel) == CARD_KEYS | {"datasource", "targets", "transformations"}
    assert panel["fieldConfig"]["defaults"]["unit"]


@each(QUERIED)
def test_a_panel_asks_data_sources_that_the_viewer_chose(page: dict[str, Any], panel: dict[str, Any]) -> None:
    """Every reference goes through a variable of the dashboard, or to Grafana's own; nobody's uid is built in."""
    chosen = {f"${{{v['name']}}}": v["query"] for v in page["templating"]["list"] if v["type"] == "datasource"}
    own = {"-- Mixed --": "datasource", "grafana": "datasource"}
    for reference in [panel["datasource"], *(target["datasource"] for target in panel["targets"])]:
        assert {**chosen, **own}[reference["uid"]] == reference["type"]
    kinds = {target["datasource"]["type"] for target in panel["targets"]}
    assert kinds != {"postgres", "datasource"}, "SQL and Live in one panel never load"


@each(QUERIED)
def test_a_panels_targets_are_of_known_form(page: dict[str, Any], panel: dict[str, Any]) -> None:
    """At least one; ref ids are unique; each has the keys of its data source and no others."""
    assert panel["targets"]
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    for target in panel["targets"]:
        assert set(target) == TARGET_KEYS[target["datasource"]["type"]]


@each_question(Language.PROMQL)
def test_rates_span_what_was_scraped(question: Any) -> None:
    """A rate in a panel is over $__rate_interval, which grows with the range and is never less than four scrapes."""
    if question.shape is not Shape.ANNOTATION:
        assert set(re.findall(r"\[([^\]]+)\]", question.text)) <= {"$__rate_interval", "$__range"}


@each_question(Language.PROMQL)
def test_a_counter_is_never_shown_as_it_is(question: Any) -> None:
    """A counter starts again at every restart: it stands in a rate or an increase (target-counter-agg-rule)."""
    for found in re.finditer(r"(?<![\w:])(\w+(?:_total|_bucket|_count|_sum))(?![\w:])(?:\{[^}]*\})?", question.text):
        if found[1] in CATALOGUE or re.sub(r"_(bucket|count|sum)$", "", found[1]) in CATALOGUE:
            assert COUNTED.search(question.text[: found.start()]), found[1]


@each_question(Language.PROMQL, Language.LABELS)
def test_promql_uses_variables_safely(question: Any) -> None:
    """A variable of several values stands after `=~` or `!~`, another after `=` or `!=`; none stands elsewhere."""
    rest = question.text.replace("$__rate_interval", "").replace("$__range", "").replace("$__interval", "")
    for found in IN_PROMQL.finditer(rest):
        for name in re.findall(r"\$\{?(\w+)", found["text"]):
            variable = question.variables[name]
            assert variable.get("multi", False) == (found["compared"] in {"=~", "!~"})
    assert "$" not in IN_PROMQL.sub("", rest)
    assert not re.search(r"\$\{|\[\[", rest)


@each_question(Language.SQL)
def test_sql_uses_variables_safely(question: Any) -> None:
    """Each variable stands in the form in which Grafana quotes it; every macro is one that Grafana knows."""
    assert misused_variables(question.text, question.variables) == []
    assert set(re.findall(r"\$(__\w+)", question.text)) <= MACROS
    assert "time_bucket" not in question.text


@each_question(Language.SQL)
def test_a_time_series_is_in_bins_and_in_order(question: Any) -> None:
    """Bins follow the zoom; Grafana refuses rows that are not in order of time."""
    if question.shape is Shape.TIME_SERIES:
        assert "date_bin('$__interval'" in question.text
        assert re.search(r"ORDER BY (1|time)\b", question.text)


@each_page
def test_links_lead_to_dashboards_and_variables_that_exist(page: dict[str, Any]) -> None:
    """A link to another of our dashboards, in bar, panel, column or text, sets only variables that it has,
    and hands on only variables that this one has.
    """
    own = {variable["name"] for variable in page["templating"]["list"]}
    text = json.dumps(page)
    for uid, query in re.findall(r"/d/(duckwatch-[a-z]+)(?:\?((?:[^\"\\)\s]|\\\")*))?", text):
        assert uid in BOARDS
        theirs = {variable["name"] for variable in BOARDS[uid]["templating"]["list"]}
        assert set(re.findall(r"var-(\w+)=", query)) <= theirs
        kept = set(re.findall(r"\$\{(\w+):queryparam\}", query))
        assert kept <= own
        assert kept <= theirs


@each(CARDS)
def test_a_link_reads_columns_that_the_table_has(page: dict[str, Any], panel: dict[str, Any]) -> None:
    """`__data.fields["x"]` names a column of the panel's SQL; values are encoded for a URL."""
    asked = " ".join(target.get("rawSql", target.get("expr", "")) for target in panel.get("targets", []))
    for url in urls(panel):
        for name in re.findall(r'__data\.fields\["(\w+)"\]', url):
            assert re.search(rf"\b{name}\b", asked)
        for value in re.findall(r"\$\{__(?:data|value|field)[^}]*\}", url):
            assert value.endswith(":percentencode}")
