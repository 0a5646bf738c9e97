"""Overrides: how one column, one series or one value of a panel differs from the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from grafana.fields import Colour, Json, Override, State, Step, Unit
from grafana.parts import mappings, steps

Words = Mapping[str, Colour] | Sequence[State]


class Cell(StrEnum):
    """How a table's cell shows its value when not as plain text: with a coloured background, wrapped, or as a bar."""

    FILL = "color-background"
    WRAP = "wrap"
    BAR = "gauge"


def value(
    name: str,
    header: str,
    *,
    unit: Unit | None = None,
    decimals: int | None = None,
    words: Words = (),
    thresholds: tuple[Step, ...] = (),
    empty: str | None = None,
    links: Sequence[Json] = (),
) -> Override:
    """Return the override for one value of a stat, or for one series: its name, its unit and its colours.

    `words` colours some texts (a mapping), or also renames values (States).
    `empty` is the text that is shown, without colour, when there is no number.
    """
    states = [*words] if not isinstance(words, Mapping) else [State(word, word, words[word]) for word in words]
    mapped = mappings(states, empty)
    properties: list[tuple[str, Any]] = [("displayName", header)]
    properties += [("unit", unit.value)] if unit is not None else []
    properties += [("decimals", decimals)] if decimals is not None else []
    properties += [("mappings", mapped)] if mapped else []
    properties += [("noValue", empty)] if empty is not None else []
    if thresholds:
        properties.append(("thresholds", {"mode": "absolute", "steps": steps(thresholds)}))
        properties.append(("color", {"mode": "thresholds"}))
    properties += [("links", [*links])] if links else []
    return Override(name, tuple(properties))


def column(
    name: str,
    header: str,
    width: int | None,
    *,
    unit: Unit | None = None,
    decimals: int | None = None,
    words: Words = (),
    thresholds: tuple[Step, ...] = (),
    cell: Cell | None = None,
    empty: str | None = None,
    links: Sequence[Json] = (),
) -> Override:
    """Return the override for a table's column: its header, its width in pixels, and the options of `value`.

    A column without a width takes the space that the other columns leave. Colours apply to the text unless `cell`
    is `FILL`. The bar of a ratio ends at 1; other bars end at the column's largest value.
    """
    look = value(
        name, header, unit=unit, decimals=decimals, words=words, thresholds=thresholds, empty=empty, links=links
    )
    properties = [look.properties[0]]
    properties += [("custom.width", width)] if width is not None else []
    if cell is Cell.WRAP:
        properties.append(("custom.cellOptions", {"type": "auto", "wrapText": True}))
    elif cell is Cell.BAR:
        properties += [("custom.cellOptions", {"type": cell.value, "mode": "basic"}), ("min", 0)]
        properties += [("max", 1)] if unit is Unit.RATIO else []
    elif words or thresholds:
        properties.append(("custom.cellOptions", {"type": cell.value if cell else "color-text"}))
    return Override(name, (*properties, *look.properties[1:]))


def hidden(name: str) -> Override:
    """Return the override that hides a table's column. Links of other columns can still read its value."""
    return Override(name, (("custom.hidden", True),))


def coloured(name: str, colour: Colour, header: str | None = None) -> Override:
    """Return the override that gives a series this colour, and the name `header` if there is one."""
    named: tuple[tuple[str, Any], ...] = (("displayName", header),) if header else ()
    return Override(name, (*named, ("color", {"mode": "fixed", "fixedColor": colour.value})))


def dashed(name: str, colour: Colour = Colour.FAINT, *, by: str = "byName") -> Override:
    """Return the override for a series to compare with (yesterday, last week).

    The series is a dashed line without fill, and is not stacked on the others.
    """
    line = {"fill": "dash", "dash": [10, 10]}
    return Override(
        name,
        (
            ("color", {"mode": "fixed", "fixedColor": colour.value}),
            ("custom.drawStyle", "line"),
            ("custom.lineStyle", line),
            ("custom.fillOpacity", 0),
            ("custom.stacking", {"mode": "none", "group": "A"}),
        ),
        by,
    )


def right_axis(name: str, unit: Unit) -> Override:
    """Return the override that gives a series its own axis on the right."""
    return Override(name, (("unit", unit.value), ("custom.axisPlacement", "right")))


def denominator(name: str, *, by: str = "byFrameRefID") -> Override:
    """Return the override for what shares are of: thin dotted lines on their own axis, left out of the legend."""
    look = (
        *right_axis(name, Unit.COUNT).properties,
        ("custom.lineStyle", {"fill": "dot", "dash": [2, 6]}),
        ("custom.fillOpacity", 0),
        ("custom.thresholdsStyle", {"mode": "off"}),
        ("custom.hideFrom", {"legend": True, "tooltip": False, "viz": False}),
    )
    return Override(name, look, by=by)


def matrix(row: str, col: str, number: str) -> Json:
    """Return the transformation of rows (row, column, number) into a matrix, such as providers by addresses.

    Grafana names the first column after both fields, with a backslash between them.
    """
    options = {"rowField": row, "columnField": col, "valueField": number, "emptyValue": "null"}
    return {"id": "groupingToMatrix", "options": options}


def organised(order: Sequence[str], *, without: Sequence[str] = ()) -> Json:
    """Return the transformation that puts columns into this order and removes others, such as Prometheus' `Time`."""
    index = {name: place for place, name in enumerate(order)}
    left_out = dict.fromkeys(without, True)
    return {"id": "organize", "options": {"excludeByName": left_out, "indexByName": index, "renameByName": {}}}
