"""A stand-in for Grafana's interpolation: it expands the macros in use, and variables in their safe forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

MACROS = {"__timeFilter", "__timeFrom", "__timeTo", "__interval", "__interval_ms"}

IN_LIST = re.compile(r"\bIN \(\$(?P<name>[a-zA-Z]\w*)\)")
"""The only safe form of a variable with several values: Grafana quotes each value."""

LITERAL = re.compile(r"'\$(?P<name>[a-zA-Z]\w*)'")
"""The only safe form of a variable with one value: Grafana doubles the quotes in the value."""

VARIABLE = re.compile(r"\$\{[^}]*\}|\$(?!__)[a-zA-Z]\w*|\[\[[^\]]*\]\]")


def misused_variables(sql: str, variables: Mapping[str, dict[str, Any]]) -> list[str]:
    """Return the variables in the SQL that do not have the form that is safe for their kind.

    `variables` maps names to the JSON of the dashboard's variables. An unknown variable is always misused.
    """

    def left(found: re.Match[str], *, several: bool) -> str:
        variable = variables.get(found["name"])
        safe = variable is not None and variable["type"] != "datasource" and variable.get("multi", False) == several
        return "" if safe else found[0]

    rest = IN_LIST.sub(lambda found: left(found, several=True), sql)
    return VARIABLE.findall(LITERAL.sub(lambda found: left(found, several=False), rest))


class UnknownMacroError(ValueError):
    """Raised for a macro that Grafana does not know: it answers 400 and sends nothing to the database."""


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
    """Return the SQL that Grafana 10.1 sends to PostgreSQL, as observed.

    `values` are for every variable of several values, `text` is for every variable of one value.
    A mapping gives them by the variable's name. `timescaledb` is the setting of the data source.
    The browser replaces variables first. Then the server expands macros, also in the values.
    Raise UnknownMacroError for a macro that Grafana does not know.
    """

    def listed(found: re.Match[str]) -> str:
        chosen = values[found["name"]] if isinstance(values, Mapping) else values
        return f"IN ({', '.join(_quoted(value) for value in chosen)})"

    sql = IN_LIST.sub(listed, sql)
    sql = LITERAL.sub(lambda found: _quoted(text if isinstance(text, str) else text[found["name"]]), sql)
    sql = sql.replace("$__interval_ms", str(milliseconds(interval))).replace("$__interval", interval)
    return MACRO.sub(lambda found: _macro(found, start, end, timescaledb=timescaledb), sql)


MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")
"""Grafana's regular expression. The argument ends at the first closing bracket, even inside a literal."""


def _macro(found: re.Match[str], start: datetime, end: datetime, *, timescaledb: bool) -> str:
    """Expand one macro as Grafana's pkg/tsdb/postgres/macros.go does. Arguments that it does not need are dropped."""
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
    """Return the length of an interval in Grafana's notation, such as `5m`."""
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h|d|w)", interval).groups()  # type: ignore[union-attr]
    seconds = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
    return round(int(number) * seconds * 1000)


def _literal(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
