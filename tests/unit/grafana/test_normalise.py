"""The normaliser: the keys that it removes and keeps, and that the bytes are the same at every build."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import grafanalib.core as lib
import pytest
from grafanalib._gen import DashboardEncoder

from grafana.dashboards import DASHBOARDS
from grafana.normalise import SCHEMA_VERSION, dumps, normalise
from grafana.settings import DEFAULTS


def raw(*panels: Any, **more: Any) -> dict[str, Any]:
    """Return grafanalib's own JSON of a dashboard with these panels."""
    built = lib.Dashboard(title="t", uid="u", panels=list(panels), **more)
    plain: dict[str, Any] = json.loads(json.dumps(built, cls=DashboardEncoder))
    return plain


def one(panel: Any) -> dict[str, Any]:
    found: dict[str, Any] = normalise(raw(panel))["panels"][0]
    return found


def nulls(value: Any, path: str = "") -> list[str]:
    if isinstance(value, dict):
        return [hit for key, item in value.items() for hit in nulls(item, f"{path}.{key}")]
    if isinstance(value, list):
        return [hit for index, item in enumerate(value) for hit in nulls(item, f"{path}[{index}]")]
    return [path] if value is None else []


def test_keys_of_old_grafanas_go() -> None:
    """A normalised dashboard has no key that Grafana dropped since version 6, and no `id`."""
    out = normalise(raw())
    assert not {"__inputs", "rows", "hideControls", "sharedCrosshair", "style", "gnetId", "id"} & set(out)
    assert out["schemaVersion"] == SCHEMA_VERSION == 39


@pytest.mark.parametrize("panel", [lib.TimeSeries, lib.Stat, lib.Table])
def test_the_only_null_is_the_first_thresholds(panel: Any) -> None:
    """The only null is the value of the first threshold; other unset keys are absent."""
    found = one(panel(title="p", id=1, targets=[lib.SqlTarget(rawSql="SELECT 1", refId="A")]))
    assert nulls(found) == [".fieldConfig.defaults.thresholds.steps[0].value"]


def test_a_threshold_that_says_null_as_text_becomes_null() -> None:
    """The text "null" of grafanalib's first threshold becomes null, and other keys of a threshold are removed."""
    found = one(lib.TimeSeries(thresholds=[lib.Threshold("green", 0, 0.0), lib.Threshold("red", 1, 0.1)]))
    steps = found["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert steps == [{"color": "green", "value": None}, {"color": "red", "value": 0.1}]


def test_every_panel_has_overrides() -> None:
    """A panel without `overrides` gets an empty list, because Grafana's editor fails without it."""
    found = one(lib.Text(content="hello"))
    assert found["fieldConfig"]["overrides"] == []


def test_a_table_cell_has_the_form_of_grafana_9_4() -> None:
    """`displayMode` becomes `cellOptions`."""
    custom = one(lib.Table(displayMode="color-text"))["fieldConfig"]["defaults"]["custom"]
    assert custom["cellOptions"] == {"type": "color-text"}
    assert "displayMode" not in custom


def test_targets_keep_only_their_own_keys() -> None:
    """An SQL target has no keys of PromQL, a PromQL target none of SQL, and neither has a step."""
    found = one(lib.TimeSeries(targets=[lib.SqlTarget(rawSql="SELECT 1", refId="A"), lib.Target(expr="up", refId="B")]))
    sql, promql = found["targets"]
    assert sql == {"refId": "A", "rawSql": "SELECT 1", "rawQuery": True, "format": "time_series", "editorMode": "code"}
    assert set(promql) == {"refId", "expr", "format", "legendFormat", "instant", "range", "editorMode"}
    assert (promql["instant"], promql["range"]) == (False, True)


def test_a_live_target_passes_untouched() -> None:
    """A target with a channel of Grafana Live is not changed."""
    live = {"refId": "A", "queryType": "measurements", "channel": "stream/duckwatch/traffic"}
    assert one(lib.TimeSeries(targets=[live]))["targets"] == [live]


def test_the_built_in_annotation_is_there_once() -> None:
    """A normalised dashboard has the built-in annotation once, also after a second run."""
    once = normalise(raw())
    assert [entry["builtIn"] for entry in once["annotations"]["list"]] == [1]
    assert normalise(once)["annotations"] == once["annotations"]


def test_a_row_keeps_its_panels_and_nothing_else_of_a_panel() -> None:
    """A collapsed row keeps its panels, normalised, and has no targets, data source or fields of its own."""
    row = one(lib.RowPanel(title="r", collapsed=True, panels=[lib.TimeSeries(title="inner")]))
    assert not {"targets", "datasource", "fieldConfig"} & set(row)
    assert row["panels"][0]["fieldConfig"]["overrides"] == []


@pytest.mark.parametrize("name", DASHBOARDS)
def test_it_leaves_a_normalised_dashboard_alone(name: str) -> None:
    """Normalising a dashboard of the code again does not change it."""
    once = DASHBOARDS[name](DEFAULTS)
    assert normalise(once) == once


def test_it_does_not_change_its_argument() -> None:
    """The argument of `normalise` is not changed."""
    given = raw(lib.Table(displayMode="color-text"))
    before = json.dumps(given)
    normalise(given)
    assert json.dumps(given) == before


def test_the_bytes_do_not_depend_on_the_process() -> None:
    """Two processes with different hash seeds write the same bytes."""
    program = "from grafana.generate import render; import sys; sys.stdout.write(''.join(render().values()))"
    runs = [
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1] != b""


def test_text_outside_ascii_stays_readable() -> None:
    """The text has letters instead of escapes, and ends in one line feed."""
    assert dumps({"title": "Zürich"}) == '{\n  "title": "Zürich"\n}\n'
