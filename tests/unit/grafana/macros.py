"""What Grafana does to SQL before it sends it: the macros in use, and variables in their safe form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

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


class UnknownMacroError(ValueError):
    """Grafana answers 400, and sends nothing to the database."""


def expand(
    sql: str,
    *,
    start: datetime,
    end: datetime,
    interval: str,
    values: Sequence[str] | Mapping[str, Sequence[str]],
    text: str | Mapping[str, str] = "",
    timescaledb: bool = False,
) -> str:
    """The SQL as PostgreSQL gets it, as Grafana 10.1 was seen to do it:
    with `values` for every variable of several values, and `text` for every variable of one; a mapping has them by the
    variable's name. `timescaledb` is the setting of the data source. Raise `UnknownMacroError`.

    The browser puts the variables in. Then the server expands macros, in values too.
    """

    def listed(found: re.Match[str]) -> str:
        chosen = values[found["name"]] if isinstance(values, Mapping) else values
        return f"IN ({', '.join(_quoted(value) for value in chosen)})"

    sql = IN_LIST.sub(listed, sql)
    sql = LITERAL.sub(lambda found: _quoted(text if isinstance(text, str) else text[found["name"]]), sql)
    sql = sql.replace("$__interval_ms", str(milliseconds(interval))).replace("$__interval", interval)
    return MACRO.sub(lambda found: _macro(found, start, end, timescaledb=timescaledb), sql)


MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")
"""Grafana's own expression: the argument ends at the first bracket, be it inside a literal or after it."""


def _macro(found: re.Match[str], start: datetime, end: datetime, *, timescaledb: bool) -> str:
    """One macro, as Grafana's pkg/tsdb/postgres/macros.go has it: what it does not need of the argument is dropped."""
    first, *more = (part.strip(" ") for part in found[2].split(","))
    since, until = int(start.timestamp()), int(end.timestamp())
    match found[1]:
        case "__timeFilter":
            return f"{first} BETWEEN '{_literal(start)}' AND '{_literal(end)}'"
        case "__timeFrom":
            return f"'{_literal(start)}'"
        case "__timeTo":
            return f"'{_literal(end)}'"
        case "__unixEpochFrom":
            return str(since)
        case "__unixEpochTo":
            return str(until)
        case "__timeGroup" if more:
            seconds = milliseconds(more[0].strip("'\"")) / 1000
            binned = f"floor(extract(epoch from {first})/{seconds:g})*{seconds:g}"
            return f"time_bucket('{seconds:.3f}s',{first})" if timescaledb else binned
        case _:
            raise UnknownMacroError(found[0])


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def milliseconds(interval: str) -> int:
    """The length of an interval of Grafana's."""
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h|d|w)", interval).groups()  # type: ignore[union-attr]
    seconds = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
    return round(int(number) * seconds * 1000)


def _literal(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
