"""The SQL of panels and variables: one file for each query, in a folder for each dashboard, loaded as `folder/name`.

Tests check the rules of these files:
- The first line is a comment that says what the query returns.
- Bins are `date_bin('$__interval', …)`, which runs on every storage tier.
- A variable has one of the safe forms (grafana.variables).
- A time series has one row for each time and label, in order of time.

`{{folder/name}}` includes the expression in that file, so that several queries share one definition.
`{{folder/name key=(value)}}` puts a value in the place of each `{{key}}` of that file, as it is written.
"""

from __future__ import annotations

import re
from importlib.resources import files

INCLUDED = re.compile(r"\{\{([\w/]+)((?: \w+=\([^()]*\))*)\}\}")
VALUE = re.compile(r"(\w+)=\(([^()]*)\)")


def load_query(name: str, **values: str) -> str:
    """Return the query of that name without its comment lines, with `values` in their places.

    Grafana expands macros in comments too, and fails on some.
    Raise FileNotFoundError when there is no such query, or no value for a place.
    """
    text = files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    lines = [line.rstrip() for line in text.splitlines() if not line.lstrip().startswith("--")]

    def filled(found: re.Match[str]) -> str:
        return values[found[1]] if found[1] in values else load_query(found[1], **dict(VALUE.findall(found[2])))

    return INCLUDED.sub(filled, "\n".join(lines).strip())
