"""The places of panels: computed from a list of rows, so that no dashboard writes coordinates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from grafana.fields import Json

COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Row:
    """Panels that belong together, placed from left to right. A new line begins when 24 columns are full.

    A row without a title has no header; only the first row of a dashboard should have none.
    Grafana does not query the panels of a collapsed row until the viewer opens it.
    `id` is written by hand, like a panel's.
    """

    panels: Sequence[Json]
    title: str = ""
    id: int | None = None
    collapsed: bool = field(default=False, kw_only=True)


def laid_out(rows: Iterable[Row]) -> list[Json]:
    """Return the panels of all rows with their places, and the row headers.

    Raise ValueError for a panel whose width is not 1 to 24 columns, and for a titled row without an id.
    """
    out: list[Json] = []
    top = 0
    for row in rows:
        if not row.title:
            placed, top = _placed(row.panels, top)
            out += placed
            continue
        if row.id is None:
            raise ValueError(f"row {row.title!r} needs an id")
        placed, bottom = _placed(row.panels, top + 1)
        out.append(_header(row, top, placed if row.collapsed else []))
        out += [] if row.collapsed else placed
        top = top + 1 if row.collapsed else bottom
    return out


def _placed(panels: Sequence[Json], top: int) -> tuple[list[Json], int]:
    """Return the panels with their places from `top` on, and the first free line below them."""
    out = []
    left = height = 0
    for panel in panels:
        size = panel["gridPos"]
        if not 0 < size["w"] <= COLUMNS:
            raise ValueError(f"panel {panel['id']} is {size['w']} columns wide; the grid has {COLUMNS}")
        if left + size["w"] > COLUMNS:
            top, left, height = top + height, 0, 0
        out.append({**panel, "gridPos": {**size, "x": left, "y": top}})
        left, height = left + size["w"], max(height, size["h"])
    return out, top + height


def _header(row: Row, top: int, panels: list[Json]) -> Json:
    place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
    header: Json = {"id": row.id, "type": "row", "title": row.title}
    return header | {"collapsed": row.collapsed, "gridPos": place, "panels": panels}
