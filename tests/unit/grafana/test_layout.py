"""Where the layouter puts panels."""

from __future__ import annotations

from typing import Any

import pytest

from grafana.layout import Row, laid_out


def panel(number: int, width: int, height: int = 8) -> dict[str, Any]:
    """A panel as the wrapper makes it: with a size, and at no place yet."""
    return {"id": number, "type": "stat", "gridPos": {"x": 0, "y": 0, "w": width, "h": height}}


def places(panels: list[dict[str, Any]]) -> list[tuple[int, int, int]]:
    return [(found["id"], found["gridPos"]["x"], found["gridPos"]["y"]) for found in panels]


def test_panels_stand_side_by_side_and_wrap() -> None:
    """From left to right; the next line begins below the highest."""
    row = Row([panel(1, 12, 4), panel(2, 12, 8), panel(3, 8), panel(4, 16), panel(5, 1)])
    assert places(laid_out([row])) == [(1, 0, 0), (2, 12, 0), (3, 0, 8), (4, 8, 8), (5, 0, 16)]


def test_an_open_row_stands_before_its_panels() -> None:
    """Its header is one line high; its panels are siblings."""
    found = laid_out([Row([panel(1, 24, 3)]), Row([panel(2, 12)], "Open", 100), Row([panel(3, 12)], "Next", 101)])
    assert places(found) == [(1, 0, 0), (100, 0, 3), (2, 0, 4), (101, 0, 12), (3, 0, 13)]
    assert (found[1]["type"], found[1]["title"], found[1]["collapsed"], found[1]["panels"]) == (
        "row",
        "Open",
        False,
        [],
    )


def test_a_collapsed_row_holds_its_panels() -> None:
    """What follows it stands right below its header."""
    found = laid_out(
        [Row([panel(1, 12), panel(2, 12)], "Closed", 100, collapsed=True), Row([panel(3, 24)], "Open", 101)]
    )
    assert places(found) == [(100, 0, 0), (101, 0, 1), (3, 0, 2)]
    assert places(found[0]["panels"]) == [(1, 0, 1), (2, 12, 1)]


@pytest.mark.parametrize("row", [Row([panel(1, 25)]), Row([panel(1, 0)]), Row([panel(1, 5)], "No id")])
def test_what_cannot_be_laid_out_is_an_error(row: Row) -> None:
    """A panel wider than the grid, and a header that nothing can refer to."""
    with pytest.raises(ValueError, match=r"panel 1|'No id'"):
        laid_out([row])


def test_the_panels_that_are_given_stay_as_they_are() -> None:
    """A panel may stand in two dashboards."""
    given = panel(1, 12)
    laid_out([Row([panel(2, 12), given])])
    assert given == panel(1, 12)
