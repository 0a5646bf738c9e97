"""SQL by name: each statement is a file under `queries/`, so that it can be read, explained and tested on its own."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import LiteralString


@cache
def query(name: str) -> LiteralString:
    """Return the text of `queries/NAME.sql`. Raise FileNotFoundError for an unknown name."""
    # The files are part of the package, not input: this is what psycopg's LiteralString requires.
    return resources.files("collector.store").joinpath("queries", f"{name}.sql").read_text("utf-8")
