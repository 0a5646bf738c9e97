"""The pictures in the documents: one of each dashboard, small, and shown where a reader looks for it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from grafana.generate import build_all
from tests.pictures.shrinking import LARGEST_BYTES, is_blank

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
LEAST_WIDTH = 1366


@pytest.mark.parametrize("name", build_all())
def test_a_dashboard_has_a_picture_that_the_document_shows(name: str) -> None:
    """`make pictures` has written a PNG of the whole width, of 250 kB at most, and docs/dashboards.md shows it."""
    png = (PICTURES / f"{name}.png").read_bytes()
    assert len(png) <= LARGEST_BYTES
    assert not is_blank(png)
    with Image.open(BytesIO(png)) as picture:
        assert (picture.format, picture.width >= LEAST_WIDTH) == ("PNG", True)
    assert f"](pictures/{name}.png)" in (ROOT / "docs" / "dashboards.md").read_text(encoding="utf-8")


def test_there_is_no_picture_of_a_dashboard_that_is_gone() -> None:
    """Each file in docs/pictures is the picture of a dashboard."""
    assert {path.name for path in PICTURES.iterdir()} == {f"{name}.png" for name in build_all()}


def test_the_readme_shows_the_overview() -> None:
    """The first picture that a reader sees is that of the main dashboard."""
    assert "](docs/pictures/overview.png)" in (ROOT / "README.md").read_text(encoding="utf-8")
