"""What Grafana does to SQL before it sends it: the macros in use, and variables in their safe form."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MACROS = {"__timeFilter", "__timeFrom", "__timeTo", "__interval", "__interval_ms"}

IN_LIST = re.compile(r"\bIN \(\$(?P<name>[a-zA-Z]\w*)\)")
"""The one safe form of a variable with several values: Grafana quotes each."""

LITERAL = re.compile(r"'\$(?P<name>[a-zA-Z]\w*)'")
"""The one safe form of a variable with one value: Grafana doubles the quotes in it."""

VARIABLE = re.compile(r"\$\{[^}]*\}|\$(?!__)[a-zA-Z]\w*|\[\[[^\]]*\]\]")


def misused_variables(sql: str, variables: Mapping[str, dict[str, Any]]) -> list[str]:
    """The variables that stand in another form than that which is safe for their kind.

    `variables` has the JSON of the dashboard's variables by name; one that is not in it is misused everywhere.
    """

    def left(found: re.Match[str], *, several: bool) -> str:
        variable = variables.get(found["name"])
        safe = variable is not None and variable["type"] != "datasource" and variable.get("multi", False) == several
        return "" if safe else found[0]

    rest = IN_LIST.sub(lambda found: left(found, several=True), sql)
    return VARIABLE.findall(LITERAL.sub(lambda found: left(found, several=False), rest))


def expand(sql: str, *, start: datetime, end: datetime, interval: str, values: Sequence[str], text: str = "") -> str:
    """The SQL as PostgreSQL gets it, as Grafana 10.1 was seen to do it:
    with `values` for every variable of several values, and `text` for every variable of one.
    """
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    sql = IN_LIST.sub(lambda _: f"IN ({quoted})", sql)
    sql = LITERAL.sub(lambda _: "'" + text.replace("'", "''") + "'", sql)
    sql = sql.replace("$__interval_ms", str(_milliseconds(interval))).replace("$__interval", interval)
    sql = sql.replace("$__timeFrom()", f"'{_literal(start)}'").replace("$__timeTo()", f"'{_literal(end)}'")
    return re.sub(
        r"\$__timeFilter\(([^)]*)\)", lambda found: f"{found[1]} BETWEEN '{_literal(start)}' AND '{_literal(end)}'", sql
    )


def _milliseconds(interval: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h|d|w)", interval).groups()  # type: ignore[union-attr]
    seconds = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
    return round(int(number) * seconds * 1000)


def _literal(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
