"""Renders every dashboard and writes it to its file.

A Grafana that watches the folder never reads a file that is half written.
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
"""The folder of the committed dashboards. Grafana's provisioning serves a copy of it."""


def build_all(settings: Settings = DEFAULTS) -> dict[str, Json]:
    """Return every dashboard by its file's name without `.json`. Links to dashboards that are not built are removed."""
    pages = {name: build(settings) for name, build in DASHBOARDS.items()}
    titles = {page["uid"]: page["title"] for page in pages.values()}
    return {
        name: only_to(titles, {**page, "links": bar(titles, page["uid"], settings.grafana_url)})
        for name, page in pages.items()
    }


def render(settings: Settings = DEFAULTS) -> dict[str, str]:
    """Return each dashboard's file name and text. The text is the same at every call."""
    return {f"{name}.json": dumps(page) for name, page in build_all(settings).items()}


def write(directory: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write these texts into `directory` and return the paths. Create a missing folder, and keep other files.

    Raise OSError when the folder cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    return [_replace(directory / name, text) for name, text in texts.items()]


def _replace(path: Path, text: str) -> Path:
    # Grafana reads *.json only, so it ignores the unfinished file.
    unfinished = path.with_suffix(".unfinished")
    try:
        unfinished.write_text(text, encoding="utf-8", newline="\n")
        unfinished.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise OSError(
            error.errno, error.strerror, str(path)
        ) from None  # the OSError of a failed write has no file name
    return path
