"""SQL by name: each statement is a file under `queries/`, so that it can be read, explained and tested on its own."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import LiteralString


@cache
def query(name: str) -> LiteralString:
    """Returns the text of `queries/NAME.sql`. Raises FileNotFoundError for a name that is not there."""
    # The files are part of the package, not input: what psycopg asks for by LiteralString holds.
    return resources.files("collector.store").joinpath("queries", f"{name}.sql").read_text("utf-8")
