"""The SQL of panels and variables: one file for each query, in a folder for each dashboard, loaded as `folder/name`.

Tests check the rules of these files:
- The first line is a comment that says what the query returns.
- Bins are `date_bin('$__interval', …)`, which runs on every storage tier.
- A variable has one of the safe forms (grafana.variables).
- A time series has one row for each time and label, in order of time.

`{{folder/name}}` includes the expression in that file, so that several queries share one definition.
"""

from __future__ import annotations

import re
from importlib.resources import files

INCLUDED = re.compile(r"\{\{([\w/]+)\}\}")


def load(name: str) -> str:
    """Return the query of that name without its comment lines.

    Grafana expands macros in comments too, and fails on some.
    Raise FileNotFoundError when there is no such query.
    """
    text = files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    lines = [line.rstrip() for line in text.splitlines() if not line.lstrip().startswith("--")]
    return INCLUDED.sub(lambda found: load(found[1]), "\n".join(lines).strip())
