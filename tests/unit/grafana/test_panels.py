"""The typed wrapper: the arguments of a panel are in its JSON."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import grafana
from grafana.columns import Cell, column
from grafana.fields import Card, Colour, Datasource, Override, Scale, State, Step, Unit
from grafana.generate import build_all
from grafana.layout import Row
from grafana.links import DashboardUid, to_web
from grafana.more_panels import alert_list
from grafana.pages import Page, dashboard
from grafana.panels import Style, stat, state_timeline, table, timeseries
from grafana.parts import NO_EVENTS, NO_SAMPLES
from grafana.queries import load_query
from grafana.settings import DEFAULTS
from grafana.targets import PromQL, Sql
from grafana.variables import DatasourceVariable, QueryVariable
from tests.unit.grafana.kinds import PAGE as EVERYTHING
from tests.unit.grafana.kinds import every_kind

CARD = Card(7, "Title", "What it shows.", 12, 8)
PAGE = Page(
    DashboardUid.OVERVIEW,
    "Title",
    "About.",
    (DatasourceVariable("timescale", "Database", "postgres"), QueryVariable("cluster", "Cluster", "shared/clusters")),
)
UP = PromQL("up", "{{job}}", ref="B")


STATES = (State(0, "clean", Colour.GOOD), State(1, "listed", Colour.BAD))


def test_a_state_has_its_name_and_colour() -> None:
    """Each state is a value mapping, and the colour mode is not `thresholds`, with which Grafana ignores mappings."""
    defaults = state_timeline(CARD, [UP], STATES)["fieldConfig"]["defaults"]
    assert defaults["color"]["mode"] == "palette-classic"
    assert defaults["unit"] == "none"
    (mapping,) = defaults["mappings"]
    assert {value: (is_["text"], is_["color"]) for value, is_ in mapping["options"].items()} == {
        "0": ("clean", "green"),
        "1": ("listed", "red"),
    }


def test_only_the_wrapper_imports_grafanalib() -> None:
    """Only `panels.py` imports grafanalib, whose classes have no types."""
    importers = {
        path.name
        for path in Path(grafana.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Import) and any(name.name.startswith("grafanalib") for name in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("grafanalib"))
    }
    assert importers == {"panels.py"}


def test_a_card_is_what_every_panel_has() -> None:
    """Each kind of panel has the card's id, title, description, size and links."""
    for number, panel in enumerate(dashboard(PAGE, [Row(every_kind())], DEFAULTS)["panels"], 1):
        assert (panel["id"], panel["title"], panel["description"]) == (number, f"Panel {number}", "What it shows.")
        assert (panel["gridPos"]["w"], panel["gridPos"]["h"]) == (8, 6)
        assert panel["links"] == [{"title": "More", "url": "https://example.com/", "targetBlank": True}]
        is_live = any("channel" in target for target in panel.get("targets", []))
        assert panel.get("maxDataPoints") == (300 if is_live else None)


def test_the_kinds_are_grafanas() -> None:
    """The kinds of panels are Grafana's own, and none needs Angular, which Grafana 12 removed."""
    assert {panel["type"] for panel in every_kind()} == {
        *("timeseries", "stat", "table", "state-timeline", "bargauge", "barchart"),
        *("histogram", "text", "alertlist"),
    }


def test_one_data_source_is_named_by_panel_and_target() -> None:
    """Panel and target refer to the same data source, by variable unless another is given."""
    panel = timeseries(CARD, [Sql("shared/clusters")], Scale(Unit.COUNT))
    assert panel["datasource"] == panel["targets"][0]["datasource"] == {"type": "postgres", "uid": "${timescale}"}
    fixed = timeseries(CARD, [PromQL("up", "", datasource=Datasource("prometheus", "abc"))], Scale(Unit.COUNT))
    assert fixed["datasource"] == fixed["targets"][0]["datasource"] == {"type": "prometheus", "uid": "abc"}


def test_two_data_sources_make_a_mixed_panel() -> None:
    """A panel whose targets differ in their data source refers to Grafana's mixed one."""
    panel = timeseries(CARD, [Sql("shared/clusters"), UP], Scale(Unit.COUNT))
    assert panel["datasource"] == {"type": "datasource", "uid": "-- Mixed --"}
    assert [target["datasource"]["type"] for target in panel["targets"]] == ["postgres", "prometheus"]


def test_units_thresholds_and_overrides_arrive() -> None:
    """A threshold draws its line; an override sets its properties on the series of that name."""
    scale = Scale(Unit.RATIO, (Step(Colour.GOOD), Step(Colour.BAD, 0.1)))
    panel = timeseries(CARD, [UP], scale, overrides=[Override("a", (("unit", "s"),))])
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"] == "percentunit"
    assert [step["value"] for step in defaults["thresholds"]["steps"]] == [None, 0.1]
    assert defaults["custom"]["thresholdsStyle"]["mode"] == "dashed"
    assert panel["fieldConfig"]["overrides"][1:] == [
        {"matcher": {"id": "byName", "options": "a"}, "properties": [{"id": "unit", "value": "s"}]}
    ]


def test_bars_are_stacked_and_lines_are_not() -> None:
    """Bars are stacked, and lines are not."""
    panels = [timeseries(CARD, [UP], Scale(Unit.COUNT), style=style) for style in (Style.BARS, Style.LINES)]
    page = dashboard(PAGE, [Row(panels)], DEFAULTS)
    bars, lines = (panel["fieldConfig"]["defaults"]["custom"] for panel in page["panels"])
    assert (bars["drawStyle"], bars["stacking"]["mode"]) == ("bars", "normal")
    assert (lines["drawStyle"], lines["stacking"]["mode"]) == ("line", "none")


def test_a_query_is_loaded_by_name_without_its_comments() -> None:
    """A target has the query of its name, without comments, because Grafana expands macros in them too."""
    target = table(CARD, [Sql("shared/clusters", table=True)])["targets"][0]
    assert target["format"] == "table"
    assert target["rawSql"] == load_query("shared/clusters")
    assert target["rawSql"].startswith("SELECT")
    assert "--" not in target["rawSql"]


def test_a_query_that_does_not_exist_is_an_error() -> None:
    """Loading an unknown query raises FileNotFoundError."""
    with pytest.raises(FileNotFoundError):
        load_query("no_such_query")


def test_a_rate_without_a_number_has_no_colour() -> None:
    """A stat shows the `empty` text without colour when the last value is null, and no older value."""
    scale = Scale(Unit.RATIO, (Step(Colour.GOOD), Step(Colour.BAD, 0.1)), empty="too little mail to judge")
    panel = stat(CARD, [UP], scale)
    defaults = panel["fieldConfig"]["defaults"]
    (mapping,) = defaults["mappings"]
    assert mapping["options"]["match"] == "null+nan"
    assert mapping["options"]["result"]["text"] == defaults["noValue"] == "too little mail to judge"
    assert mapping["options"]["result"]["color"] == "text"
    assert panel["options"]["reduceOptions"]["calcs"] == ["last"]
    assert stat(CARD, [UP], Scale(Unit.RATIO))["options"]["reduceOptions"]["calcs"] == ["lastNotNull"]


def test_a_stat_without_a_number_has_no_colour() -> None:
    """The text for what is missing would be green, as the first threshold is."""
    panel = stat(CARD, [UP], Scale(Unit.COUNT, (Step(Colour.GOOD), Step(Colour.BAD, 1))))
    (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
    assert mapping["options"]["match"] == "null+nan"
    assert mapping["options"]["result"] == {"text": NO_SAMPLES, "color": "text", "index": 0}
    assert stat(CARD, [UP], Scale(Unit.COUNT))["fieldConfig"]["defaults"]["mappings"] == []


def test_a_stat_without_thresholds_has_no_colour() -> None:
    """A stat without thresholds has the plain colour, because green would be a judgement."""
    page = dashboard(PAGE, [Row([stat(CARD, [UP], Scale(Unit.COUNT))])], DEFAULTS)
    steps = page["panels"][0]["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert steps == [{"color": "text", "value": None}]


def test_a_column_has_what_is_said_of_it() -> None:
    """A column has its header, width, unit, cell kind, colours of words, text for no number, and links."""
    link = to_web("More", "https://example.com/")
    column_of = dict(column("a", "A", 90, unit=Unit.RATIO, words={"x": Colour.BAD}, empty="-", links=[link]).properties)
    assert (column_of["displayName"], column_of["custom.width"], column_of["unit"]) == ("A", 90, "percentunit")
    assert column_of["custom.cellOptions"] == {"type": "color-text"}
    assert [mapping["type"] for mapping in column_of["mappings"]] == ["value", "special"]
    assert column_of["links"] == [link]
    bar = dict(column("a", "A", None, unit=Unit.RATIO, cell=Cell.BAR).properties)
    assert (bar["custom.cellOptions"]["type"], bar["min"], bar["max"]) == ("gauge", 0, 1)
    filled = dict(
        column("a", "A", None, thresholds=(Step(Colour.GOOD), Step(Colour.BAD, 1)), cell=Cell.FILL).properties
    )
    assert filled["custom.cellOptions"] == {"type": "color-background"}
    assert [step["value"] for step in filled["thresholds"]["steps"]] == [None, 1]


def test_the_first_threshold_of_an_override_keeps_its_null() -> None:
    """The first threshold of an override keeps its null, because Grafana would read a missing value as zero."""
    shown = column("a", "A", 90, thresholds=(Step(Colour.GOOD), Step(Colour.BAD, 1)))
    page = dashboard(PAGE, [Row([table(CARD, [UP], overrides=[shown])])], DEFAULTS)
    (_, override) = page["panels"][0]["fieldConfig"]["overrides"]
    (thresholds,) = [entry["value"] for entry in override["properties"] if entry["id"] == "thresholds"]
    assert [step["value"] for step in thresholds["steps"]] == [None, 1]


def test_the_alert_list_shows_our_alerts_only() -> None:
    """The list shows firing and pending alerts whose name contains `Duckwatch`."""
    panel = alert_list(CARD)
    assert panel["options"]["alertName"] == "Duckwatch"
    assert {state for state, shown in panel["options"]["stateFilter"].items() if shown} == {"firing", "pending"}


def test_variables_of_one_value() -> None:
    """A text field, a fixed choice and a query of one value have the form of Grafana, without `All`."""
    found = {variable["name"]: variable for variable in dashboard(EVERYTHING, [], DEFAULTS)["templating"]["list"]}
    assert (found["one"]["multi"], found["one"]["includeAll"]) == (False, False)
    assert "current" not in found["one"]
    assert (found["needle"]["type"], found["needle"]["query"]) == ("textbox", "")
    assert (found["period"]["query"], found["period"]["current"]["value"]) == ("day,week", "day")
    assert [option["value"] for option in found["period"]["options"]] == ["day", "week"]
    assert found["host"]["datasource"] == {"type": "prometheus", "uid": "${prometheus}"}


def test_annotations_stand_behind_the_built_in_one() -> None:
    """Annotations follow the built-in one: SQL as a table, PromQL with its texts, hidden ones disabled."""
    _, listings, up = dashboard(EVERYTHING, [], DEFAULTS)["annotations"]["list"]
    assert (listings["name"], listings["enable"]) == ("Listings", True)
    assert (listings["target"]["format"], listings["target"]["rawSql"]) == ("table", load_query("shared/clusters"))
    assert (up["expr"], up["titleFormat"], up["textFormat"], up["enable"]) == (
        *("changes(up[1m]) > 0", "{{job}}", "came up"),
        False,
    )
    assert up["tagKeys"] == "job,instance"


def test_variables_take_the_form_that_grafana_expects() -> None:
    """A data source variable has no current value, and a query variable starts with all."""
    source, cluster = dashboard(PAGE, [], DEFAULTS)["templating"]["list"]
    assert (source["type"], source["query"]) == ("datasource", "postgres")
    assert "current" not in source
    assert (cluster["multi"], cluster["includeAll"], cluster["refresh"]) == (True, True, 2)
    assert cluster["current"]["value"] == ["$__all"]
    assert cluster["query"] == load_query("shared/clusters")
    assert "allValue" not in cluster


def test_a_panel_without_rows_says_what_is_missing() -> None:
    """Each kind of chart and table has the card's text, or one that names where the rows would come from."""
    own = Card(id=1, title="Own", description="", width=8, height=8, empty="no plugin yet")
    assert timeseries(own, [UP], Scale(Unit.COUNT))["fieldConfig"]["defaults"]["noValue"] == "no plugin yet"
    assert timeseries(CARD, [UP], Scale(Unit.COUNT))["fieldConfig"]["defaults"]["noValue"] == NO_SAMPLES
    shown = table(CARD, [Sql("overview/by_zone", table=True)])
    assert shown["fieldConfig"]["defaults"]["noValue"] == NO_EVENTS
    # Without this, the text would stand in each empty cell, and at empty ticks of a logarithmic axis.
    for panel in (shown, timeseries(CARD, [UP], Scale(Unit.SECONDS), log=True)):
        (said,) = panel["fieldConfig"]["overrides"][0]["properties"]
        assert said["id"] == "noValue"
        # A chart draws zeros for missing values where JavaScript can read the text as a number.
        assert said["value"].strip() not in {"", *"0123456789"}


def test_every_chart_and_table_says_more_than_no_data() -> None:
    """No panel of a dashboard that can show a text without rows leaves it to Grafana.

    A heatmap cannot: Grafana 10.1 removes `noValue` from it. So the generator makes none.
    """
    kinds = {"timeseries", "table", "stat", "bargauge"}
    for name, page in build_all().items():
        for panel in page["panels"]:
            for one in [panel, *panel.get("panels", [])]:
                assert one["type"] != "heatmap", f"{name}: {one['title']}"
                if one["type"] in kinds:
                    assert one["fieldConfig"]["defaults"].get("noValue"), f"{name}: {one['title']}"
