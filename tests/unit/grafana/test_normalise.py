"""The normaliser: what of grafanalib's output goes, what stays, and that the bytes are the same each time."""

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
    """Grafanalib's own JSON of a dashboard with these panels."""
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
    """What Grafana dropped since version 6, and the server's own id, are not in a normalised dashboard."""
    out = normalise(raw())
    assert not {"__inputs", "rows", "hideControls", "sharedCrosshair", "style", "gnetId", "id"} & set(out)
    assert out["schemaVersion"] == SCHEMA_VERSION == 39


@pytest.mark.parametrize("panel", [lib.TimeSeries, lib.Stat, lib.Table])
def test_the_only_null_is_the_first_thresholds(panel: Any) -> None:
    """Newer schemas want an unset key absent; minus infinity alone is written as null."""
    found = one(panel(title="p", id=1, targets=[lib.SqlTarget(rawSql="SELECT 1", refId="A")]))
    assert nulls(found) == [".fieldConfig.defaults.thresholds.steps[0].value"]


def test_a_threshold_that_says_null_as_text_becomes_null() -> None:
    """Grafanalib's Threshold writes the text "null" for the first step, and keys that nobody reads."""
    found = one(lib.TimeSeries(thresholds=[lib.Threshold("green", 0, 0.0), lib.Threshold("red", 1, 0.1)]))
    steps = found["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert steps == [{"color": "green", "value": None}, {"color": "red", "value": 0.1}]


def test_every_panel_has_overrides() -> None:
    """Panels that grafanalib writes without `overrides` get an empty list: Grafana's editor trips without it."""
    found = one(lib.Text(content="hello"))
    assert found["fieldConfig"]["overrides"] == []


def test_a_table_cell_has_the_form_of_grafana_9_4() -> None:
    """`displayMode` is the old name of a cell's look."""
    custom = one(lib.Table(displayMode="color-text"))["fieldConfig"]["defaults"]["custom"]
    assert custom["cellOptions"] == {"type": "color-text"}
    assert "displayMode" not in custom


def test_targets_keep_only_their_own_keys() -> None:
    """An SQL target has no PromQL in it and the other way round; no fixed step."""
    found = one(lib.TimeSeries(targets=[lib.SqlTarget(rawSql="SELECT 1", refId="A"), lib.Target(expr="up", refId="B")]))
    sql, promql = found["targets"]
    assert sql == {"refId": "A", "rawSql": "SELECT 1", "rawQuery": True, "format": "time_series", "editorMode": "code"}
    assert set(promql) == {"refId", "expr", "format", "legendFormat", "instant", "range", "editorMode"}
    assert (promql["instant"], promql["range"]) == (False, True)


def test_a_live_target_passes_untouched() -> None:
    """A target that names a channel of Grafana Live is a plain object, and no PromQL."""
    live = {"refId": "A", "queryType": "measurements", "channel": "stream/duckwatch/traffic"}
    assert one(lib.TimeSeries(targets=[live]))["targets"] == [live]


def test_the_built_in_annotation_is_there_once() -> None:
    """Grafana adds it where it is missing, and then the dashboard would differ from its file."""
    once = normalise(raw())
    assert [entry["builtIn"] for entry in once["annotations"]["list"]] == [1]
    assert normalise(once)["annotations"] == once["annotations"]


def test_a_row_keeps_its_panels_and_nothing_else_of_a_panel() -> None:
    """A collapsed row holds its panels, normalised; it has no targets of its own."""
    row = one(lib.RowPanel(title="r", collapsed=True, panels=[lib.TimeSeries(title="inner")]))
    assert not {"targets", "datasource", "fieldConfig"} & set(row)
    assert row["panels"][0]["fieldConfig"]["overrides"] == []


@pytest.mark.parametrize("name", DASHBOARDS)
def test_it_leaves_a_normalised_dashboard_alone(name: str) -> None:
    """Normalising twice is normalising once."""
    once = DASHBOARDS[name](DEFAULTS)
    assert normalise(once) == once


def test_it_does_not_change_its_argument() -> None:
    """The dashboard that is handed in stays as it was."""
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
    """A diff of a dashboard shows letters, not escapes; the file ends in one line feed."""
    assert dumps({"title": "Zürich"}) == '{\n  "title": "Zürich"\n}\n'
