"""What Grafana does to SQL before it sends it: the macros in use, and variables in their safe form."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MACROS = {"__timeFilter", "__timeFrom", "__interval"}

IN_LIST = re.compile(r"\bIN \(\$(?P<name>[a-zA-Z]\w*)\)")
VARIABLE = re.compile(r"\$\{[^}]*\}|\$(?!__)[a-zA-Z]\w*|\[\[[^\]]*\]\]")


def misused_variables(sql: str) -> list[str]:
    """The variables that stand elsewhere than in `IN ($name)`: bare, in quotes, or with a format of their own."""
    return VARIABLE.findall(IN_LIST.sub("", sql))


def expand(sql: str, *, start: datetime, end: datetime, interval: str, values: Sequence[str]) -> str:
    """The SQL as PostgreSQL gets it, with `values` for every variable; as Grafana 10.1 was seen to do it."""
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    sql = IN_LIST.sub(lambda _: f"IN ({quoted})", sql)
    sql = sql.replace("$__interval", interval).replace("$__timeFrom()", f"'{_literal(start)}'")
    return re.sub(
        r"\$__timeFilter\(([^)]*)\)", lambda found: f"{found[1]} BETWEEN '{_literal(start)}' AND '{_literal(end)}'", sql
    )


def _literal(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
