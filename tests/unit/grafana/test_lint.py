"""The rules for every committed dashboard: those of Grafana's dashboard-linter that apply, and our own.

These rules of the linter do not apply:
- `template-job`, `template-instance`, `target-job`, `target-instance`: our metrics' names tell the program,
  and a site sets job selectors in its settings.
- `uneditable-dashboard`: a viewer may open a panel's query, and Grafana does not save dashboards that come from files.
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
from grafana.queries import load_query
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
DASHBOARDS = {page["uid"]: page for page in PAGES.values()}

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
    """Return every URL of links in this JSON."""
    if isinstance(value, list):
        return [url for item in value for url in urls(item)]
    if not isinstance(value, dict):
        return []
    own = [value["url"]] if isinstance(value.get("url"), str) else []
    return own + [url for item in value.values() for url in urls(item)]


def groups(page: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Return the panels that are shown together: the page's own, and those of each collapsed row."""
    return [page["panels"], *(panel["panels"] for panel in page["panels"] if panel.get("panels"))]


def each(panels: list[tuple[str, dict[str, Any], dict[str, Any]]]) -> pytest.MarkDecorator:
    """Parametrise a test with each of these panels and its page."""
    cases = [(page, panel) for _, page, panel in panels]
    return pytest.mark.parametrize(("page", "panel"), cases, ids=[name for name, _, _ in panels])


def each_question(*languages: Language) -> pytest.MarkDecorator:
    """Parametrise a test with each question in one of these languages."""
    found = [question for question in QUESTIONS if question.language in languages]
    return pytest.mark.parametrize("question", found, ids=[question.name for question in found])


def test_there_are_dashboards() -> None:
    """There are panels and questions for the rules below."""
    assert QUERIED
    assert QUESTIONS


def test_dashboards_do_not_clash() -> None:
    """No two dashboards share a uid or a title, because Grafana then stops provisioning the whole folder."""
    assert len({page["uid"] for page in PAGES.values()}) == len(PAGES)
    assert len({page["title"].casefold() for page in PAGES.values()}) == len(PAGES)


@each_page
def test_a_dashboard_has_known_keys_and_a_lasting_uid(page: dict[str, Any]) -> None:
    """A dashboard has exactly the known keys, a uid that Grafana's API accepts, a title and a description."""
    assert set(page) == DASHBOARD_KEYS
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", page["uid"])
    assert page["title"]
    assert page["description"].endswith(".")


@each_page
def test_variables_are_of_known_form(page: dict[str, Any]) -> None:
    """Each variable has only known keys, so no `allValue`, and a label.

    A query variable has its query as text, and runs it again when the time range changes.
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
    """Each variable is used in a query or as a data source."""
    texts = [question.text for question in QUESTIONS if DASHBOARDS[page["uid"]] is PAGES[question.dashboard]]
    uids = re.findall(r'"uid": "\$\{(\w+)\}"', json.dumps(page))
    used = {name for text in texts for name in re.findall(r"\$\{?(\w+)", text)} | set(uids)
    assert {variable["name"] for variable in page["templating"]["list"]} <= used


@each_page
def test_panels_have_ids_and_places_of_their_own(page: dict[str, Any]) -> None:
    """Each panel has a unique id, lies within 24 columns, and overlaps no other."""
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
    """Panels that begin on the same line have the same height."""
    for group in groups(page):
        heights: dict[int, set[int]] = {}
        for panel in group:
            heights.setdefault(panel["gridPos"]["y"], set()).add(panel["gridPos"]["h"])
        assert all(len(found) == 1 for found in heights.values())


@each_page
def test_a_row_has_a_title(page: dict[str, Any]) -> None:
    """A row has a title, and contains panels only when it is collapsed."""
    for row in (panel for panel in page["panels"] if panel["type"] == "row"):
        assert set(row) == ROW_KEYS
        assert row["title"]
        assert bool(row["panels"]) == row["collapsed"]


@each(CARDS)
def test_a_panel_explains_itself(page: dict[str, Any], panel: dict[str, Any]) -> None:
    """Each panel has a title, and a description that ends with a full stop."""
    assert set(panel) >= CARD_KEYS
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert set(panel["fieldConfig"]) == {"defaults", "overrides"}


@each(QUERIED)
def test_a_panel_has_a_unit(page: dict[str, Any], panel: dict[str, Any]) -> None:
    """A panel with queries has a unit and only known keys."""
    windows = {"maxDataPoints"} if "channel" in panel["targets"][0] else set()
    assert set(panel) == CARD_KEYS | {"datasource", "targets", "transformations"} | windows
    assert panel["fieldConfig"]["defaults"]["unit"]


@each(QUERIED)
def test_a_panel_asks_data_sources_that_the_viewer_chose(page: dict[str, Any], panel: dict[str, Any]) -> None:
    """Each data source is a variable of the dashboard or one of Grafana's own, never a fixed uid."""
    chosen = {f"${{{v['name']}}}": v["query"] for v in page["templating"]["list"] if v["type"] == "datasource"}
    own = {"-- Mixed --": "datasource", "grafana": "datasource"}
    for reference in [panel["datasource"], *(target["datasource"] for target in panel["targets"])]:
        assert {**chosen, **own}[reference["uid"]] == reference["type"]
    kinds = {target["datasource"]["type"] for target in panel["targets"]}
    assert kinds != {"postgres", "datasource"}, "SQL and Live in one panel never load"


@each(QUERIED)
def test_a_panels_targets_are_of_known_form(page: dict[str, Any], panel: dict[str, Any]) -> None:
    """A panel has targets with unique ref ids, and each target has exactly the keys of its data source."""
    assert panel["targets"]
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    for target in panel["targets"]:
        assert set(target) == TARGET_KEYS[target["datasource"]["type"]]


@each_question(Language.PROMQL)
def test_rates_span_what_was_scraped(question: Any) -> None:
    """Each range in a panel's PromQL is `$__rate_interval` (at least four scrapes) or `$__range`."""
    if question.shape is not Shape.ANNOTATION:
        assert set(re.findall(r"\[([^\]]+)\]", question.text)) <= {"$__rate_interval", "$__range"}


@each_question(Language.PROMQL)
def test_a_counter_is_never_shown_as_it_is(question: Any) -> None:
    """A counter is always inside a function such as `rate`, because it restarts at 0 (target-counter-agg-rule)."""
    for found in re.finditer(r"(?<![\w:])(\w+(?:_total|_bucket|_count|_sum))(?![\w:])(?:\{[^}]*\})?", question.text):
        if found[1] in CATALOGUE or re.sub(r"_(bucket|count|sum)$", "", found[1]) in CATALOGUE:
            assert COUNTED.search(question.text[: found.start()]), found[1]


@each_question(Language.PROMQL, Language.LABELS)
def test_promql_uses_variables_safely(question: Any) -> None:
    """A variable of several values follows `=~` or `!~`, another follows `=` or `!=`, and no variable is elsewhere."""
    rest = question.text.replace("$__rate_interval", "").replace("$__range", "").replace("$__interval", "")
    for found in IN_PROMQL.finditer(rest):
        for name in re.findall(r"\$\{?(\w+)", found["text"]):
            variable = question.variables[name]
            assert variable.get("multi", False) == (found["compared"] in {"=~", "!~"})
    assert "$" not in IN_PROMQL.sub("", rest)
    assert not re.search(r"\$\{|\[\[", rest)


@each_question(Language.SQL)
def test_sql_uses_variables_safely(question: Any) -> None:
    """Each variable has the form in which Grafana quotes it, and each macro is a known one."""
    assert misused_variables(question.text, question.variables) == []
    assert set(re.findall(r"\$(__\w+)", question.text)) <= MACROS
    assert "time_bucket" not in question.text


@each_question(Language.SQL)
def test_a_time_series_is_in_bins_and_in_order(question: Any) -> None:
    """A time series uses `date_bin` with `$__interval` and is ordered by time, as Grafana requires."""
    if question.shape is Shape.TIME_SERIES:
        assert "date_bin('$__interval'" in question.text
        assert re.search(r"ORDER BY (1|time)\b", question.text)


@each_page
def test_links_lead_to_dashboards_and_variables_that_exist(page: dict[str, Any]) -> None:
    """Each link leads to one of our dashboards, and sets only variables of that dashboard.

    It carries only variables that both dashboards have.
    """
    own = {variable["name"] for variable in page["templating"]["list"]}
    text = json.dumps(page)
    for uid, query in re.findall(r"/d/(duckwatch-[a-z]+)(?:\?((?:[^\"\\)\s]|\\\")*))?", text):
        assert uid in DASHBOARDS
        theirs = {variable["name"] for variable in DASHBOARDS[uid]["templating"]["list"]}
        assert set(re.findall(r"var-(\w+)=", query)) <= theirs
        kept = set(re.findall(r"\$\{(\w+):queryparam\}", query))
        assert kept <= own
        assert kept <= theirs


@each(CARDS)
def test_a_link_reads_columns_that_the_table_has(page: dict[str, Any], panel: dict[str, Any]) -> None:
    """`__data.fields["x"]` names a column in the panel's query, and each value is encoded for a URL."""
    asked = " ".join(target.get("rawSql", target.get("expr", "")) for target in panel.get("targets", []))
    for url in urls(panel):
        for name in re.findall(r'__data\.fields\["(\w+)"\]', url):
            assert re.search(rf"\b{name}\b", asked)
        for value in re.findall(r"\$\{__(?:data|value|field)[^}]*\}", url):
            # A whole URL may only come from the closed table of known URLs.
            is_known = url == value and load_query("reputation/lookup") in asked
            assert is_known or value.endswith(":percentencode}")
