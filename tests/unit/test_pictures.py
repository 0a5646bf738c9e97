"""What the picture tool makes of a dashboard before a browser opens it, and of a screenshot after."""

from __future__ import annotations

import random
from io import BytesIO
from typing import Any

from PIL import Image

from tests.pictures.looking import View, height, rows_open
from tests.pictures.settling import LONGEST_SECONDS, PATIENCE_SECONDS, QUIET_SECONDS, STALL_SECONDS, Settling
from tests.pictures.shrinking import is_blank, shrunk


def _panel(number: int, y: int, h: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "type": "stat", "gridPos": {"x": 0, "y": y, "w": 24, "h": h}, **more}


def test_a_collapsed_row_is_opened_and_what_follows_moves_down() -> None:
    """Each panel keeps its place within its row, and nothing overlaps."""
    inner = [_panel(3, 6, 4), _panel(4, 10, 8)]
    row = _panel(2, 5, 1, panels=inner) | {"type": "row", "collapsed": True}
    page = rows_open({"panels": [_panel(1, 0, 5), row, _panel(5, 6, 3)], "refresh": "5s"})
    assert {panel["id"]: panel["gridPos"]["y"] for panel in page["panels"]} == {1: 0, 2: 5, 3: 6, 4: 10, 5: 18}
    assert page["panels"][1]["collapsed"] is False
    assert page["refresh"] == ""
    assert height(page) > 21 * 38


def test_a_view_is_in_the_address() -> None:
    """A variable stands there once for each of its values, and a value is encoded."""
    view = View(theme="light", start="now-30d", variables=[("zone", "a&b"), ("zone", "c")])
    assert view.url("/d/x") == "/d/x?from=now-30d&to=now&theme=light&var-zone=a%26b&var-zone=c"


def _png(colours: list[tuple[int, int, int]]) -> bytes:
    picture, out = Image.new("RGB", (200, 200)), BytesIO()
    picture.putdata([colours[index % len(colours)] for index in range(200 * 200)])
    picture.save(out, "PNG")
    return out.getvalue()


def test_a_large_picture_loses_colours_until_it_is_small() -> None:
    """Its size in pixels stays."""
    noise = random.Random(1)
    png = _png([(noise.randrange(256), noise.randrange(256), noise.randrange(256)) for _ in range(40_000)])
    small = shrunk(png, 30_000)
    assert len(small) <= 30_000 < len(shrunk(png, 10**9))
    with Image.open(BytesIO(small)) as picture:
        assert (picture.size, picture.mode) == ((200, 200), "P")


def test_a_picture_of_one_colour_is_blank() -> None:
    """Two colours are something."""
    assert is_blank(_png([(255, 255, 255)]))
    assert not is_blank(_png([(255, 255, 255), (0, 0, 0)]))


def test_a_dashboard_is_settled_when_it_has_been_quiet() -> None:
    """It may load for long before that. A panel that never asks is waited for longer."""
    settling = Settling(0)
    for second in range(0, 4 * STALL_SECONDS, 10):
        assert settling.is_over(second, is_loading=True, all_asked=False, seen=second) is None
    loaded = 4 * STALL_SECONDS - 10
    assert settling.is_over(loaded + QUIET_SECONDS, is_loading=False, all_asked=True, seen=0) is None
    assert settling.is_over(loaded + QUIET_SECONDS + 0.1, is_loading=False, all_asked=False, seen=0) is None
    assert settling.is_over(loaded + QUIET_SECONDS + 0.1, is_loading=False, all_asked=True, seen=0) is True
    assert settling.is_over(loaded + PATIENCE_SECONDS + 0.1, is_loading=False, all_asked=False, seen=0) is True


def test_a_dashboard_that_makes_no_progress_does_not_settle() -> None:
    """Neither does one that goes on for ever."""
    settling = Settling(0)
    assert settling.is_over(10, is_loading=True, all_asked=True, seen=(3, 2)) is None
    assert settling.is_over(10 + STALL_SECONDS, is_loading=True, all_asked=True, seen=(3, 2)) is None
    assert settling.is_over(10.1 + STALL_SECONDS, is_loading=True, all_asked=True, seen=(3, 2)) is False
    settling = Settling(0)
    for second in range(0, LONGEST_SECONDS + 1, 10):
        assert settling.is_over(second, is_loading=True, all_asked=True, seen=second) is None
    assert settling.is_over(LONGEST_SECONDS + 1, is_loading=True, all_asked=True, seen=None) is False
