"""Dashboards to files: every dashboard rendered, and written so that a Grafana that watches the folder never reads half
a file.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from grafana.dashboards import DASHBOARDS
from grafana.links import bar, only_to
from grafana.normalise import dumps
from grafana.settings import DEFAULTS, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from grafana.fields import Json

GENERATED = Path(__file__).parent / "generated"
"""Where the committed dashboards are; Grafana's provisioning serves a copy of this folder."""


def build_all(settings: Settings = DEFAULTS) -> dict[str, Json]:
    """Return every dashboard by its file's name without `.json`, with links to the others and to no other."""
    pages = {name: build(settings) for name, build in DASHBOARDS.items()}
    titles = {page["uid"]: page["title"] for page in pages.values()}
    return {
        name: only_to(titles, {**page, "links": bar(titles, page["uid"], settings.grafana_url)})
        for name, page in pages.items()
    }


def render(settings: Settings = DEFAULTS) -> dict[str, str]:
    """Return each dashboard's file name and text. The same bytes each time."""
    return {f"{name}.json": dumps(page) for name, page in build_all(settings).items()}


def write(directory: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write these texts into `directory`, which is made if need be, and return the paths. Other files there stay.

    Raises OSError when the folder cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    return [_replace(directory / name, text) for name, text in texts.items()]


def _replace(path: Path, text: str) -> Path:
    # Grafana reads *.json only, so the unfinished file is invisible to it.
    unfinished = path.with_suffix(".unfinished")
    try:
        unfinished.write_text(text, encoding="utf-8", newline="\n")
        unfinished.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None  # a failed write names no file
    return path
