"""The SQL of panels and variables, one file a query in a folder a dashboard, loaded by `folder/name`.

The rules of these files (tests hold them): the first line is a comment that says what it asks;
bins are `date_bin('$__interval', …)`, which runs on every storage tier; a variable stands in a safe form only
(see grafana.variables); a time series has one row per time and label, in order of time.
`{{folder/name}}` stands for the expression in that file, so that several queries share one definition.
"""

from __future__ import annotations

import re
from importlib.resources import files

INCLUDED = re.compile(r"\{\{([\w/]+)\}\}")


def load(name: str) -> str:
    """Return the query of that name without its comment lines:
    Grafana expands macros in comments too, and fails on some.

    Raises FileNotFoundError when there is no such query.
    """
    text = files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    lines = [line.rstrip() for line in text.splitlines() if not line.lstrip().startswith("--")]
    return INCLUDED.sub(lambda found: load(found[1]), "\n".join(lines).strip())
