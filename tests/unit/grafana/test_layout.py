"""The places that `laid_out` gives to panels."""

from __future__ import annotations

from typing import Any

import pytest

from grafana.layout import Row, laid_out


def panel(number: int, width: int, height: int = 8) -> dict[str, Any]:
    """Return a panel with a size, before it is placed."""
    return {"id": number, "type": "stat", "gridPos": {"x": 0, "y": 0, "w": width, "h": height}}


def places(panels: list[dict[str, Any]]) -> list[tuple[int, int, int]]:
    return [(found["id"], found["gridPos"]["x"], found["gridPos"]["y"]) for found in panels]


def test_panels_stand_side_by_side_and_wrap() -> None:
    """Panels are placed from left to right; a new line begins below the highest panel of the line before."""
    row = Row([panel(1, 12, 4), panel(2, 12, 8), panel(3, 8), panel(4, 16), panel(5, 1)])
    assert places(laid_out([row])) == [(1, 0, 0), (2, 12, 0), (3, 0, 8), (4, 8, 8), (5, 0, 16)]


def test_an_open_row_stands_before_its_panels() -> None:
    """The header of an open row is one line high, and its panels follow it in the same list."""
    found = laid_out([Row([panel(1, 24, 3)]), Row([panel(2, 12)], "Open", 100), Row([panel(3, 12)], "Next", 101)])
    assert places(found) == [(1, 0, 0), (100, 0, 3), (2, 0, 4), (101, 0, 12), (3, 0, 13)]
    assert (found[1]["type"], found[1]["title"], found[1]["collapsed"], found[1]["panels"]) == (
        "row",
        "Open",
        False,
        [],
    )


def test_a_collapsed_row_holds_its_panels() -> None:
    """A collapsed row contains its panels, and the next row begins right below its header."""
    found = laid_out(
        [Row([panel(1, 12), panel(2, 12)], "Closed", 100, collapsed=True), Row([panel(3, 24)], "Open", 101)]
    )
    assert places(found) == [(100, 0, 0), (101, 0, 1), (3, 0, 2)]
    assert places(found[0]["panels"]) == [(1, 0, 1), (2, 12, 1)]


@pytest.mark.parametrize("row", [Row([panel(1, 25)]), Row([panel(1, 0)]), Row([panel(1, 5)], "No id")])
def test_what_cannot_be_laid_out_is_an_error(row: Row) -> None:
    """A panel whose width is not 1 to 24, or a titled row without an id, raises ValueError."""
    with pytest.raises(ValueError, match=r"panel 1|'No id'"):
        laid_out([row])


def test_the_panels_that_are_given_stay_as_they_are() -> None:
    """Laying out does not change the panels that it is given."""
    given = panel(1, 12)
    laid_out([Row([panel(2, 12), given])])
    assert given == panel(1, 12)
