"""Tables at 1,366 pixels, the width of a small laptop: every column is in sight, and every time is shown whole."""

from __future__ import annotations

from typing import Any

import pytest

from grafana.fields import Unit
from grafana.generate import build_all
from grafana.normalise import all_panels

TABLES = [
    pytest.param(panel, id=f"{name}-{panel['id']}")
    for name, page in build_all().items()
    for panel in all_panels(page["panels"])
    if panel["type"] == "table"
]

PAGE_PIXELS = 1334
"""The grid's width in a window of 1,366 pixels."""

GRID_COLUMNS = 24
GAP_PIXELS = 8
FRAME_PIXELS = 18
"""What a panel's border and padding take."""

LEAST_PIXELS = 150
"""Grafana's least width for a column that has none of its own."""

LEAST_BY_UNIT = {Unit.AT: 165, Unit.AGO: 142}
"""The widest texts of these units with their padding and border: 2026-04-04 04:44:44, and "a few seconds ago"."""


def room(grid_columns: int) -> float:
    """Return how many pixels a table has in a panel of this width."""
    one = (PAGE_PIXELS - (GRID_COLUMNS - 1) * GAP_PIXELS) / GRID_COLUMNS
    return one * grid_columns + GAP_PIXELS * (grid_columns - 1) - FRAME_PIXELS


def columns(panel: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the properties of each column that is shown."""
    overrides = panel["fieldConfig"]["overrides"]
    properties = [{one["id"]: one["value"] for one in override["properties"]} for override in overrides]
    return [one for one in properties if "displayName" in one and not one.get("custom.hidden")]


@pytest.mark.parametrize("panel", TABLES)
def test_a_table_fits_into_its_panel(panel: dict[str, Any]) -> None:
    """A table that fills its panel by a column without a width does not reach beyond the panel's edge.

    The other tables are matrices, or so wide that one has to scroll.
    """
    widths = [one.get("custom.width", 0) for one in columns(panel)]
    if 0 in widths:
        assert sum(width or LEAST_PIXELS for width in widths) <= room(panel["gridPos"]["w"])


@pytest.mark.parametrize("panel", TABLES)
def test_a_column_of_times_shows_them_whole(panel: dict[str, Any]) -> None:
    """No column of times is narrower than the widest time."""
    narrow = [
        (one["displayName"], one["custom.width"])
        for one in columns(panel)
        if one.get("custom.width", LEAST_PIXELS * 2) < LEAST_BY_UNIT.get(one.get("unit", ""), 0)
    ]
    assert narrow == []
