"""The stand-in for Grafana's interpolation, which other tests use to expand their SQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.grafana.macros import UnknownMacroError, expand, misused_variables

VARIABLES: dict[str, dict[str, Any]] = {
    "cluster": {"type": "query", "multi": True},
    "zone": {"type": "query", "multi": False},
    "needle": {"type": "textbox"},
    "timescale": {"type": "datasource", "multi": False},
}


@pytest.mark.parametrize(
    "sql",
    [
        "x = $cluster",
        "x = '$cluster'",
        "IN (${cluster:csv})",
        "IN (${cluster:singlequote})",
        "IN (${cluster})",
        "IN ([[cluster]])",
        "IN ($cluster) AND y = $zone",
        "y IN ($zone)",
        "y LIKE '%$needle%'",
        "y LIKE '$needle%'",
        "y = ${needle:raw}",
        "y = $needle",
        "IN ($unknown)",
        "y = '$unknown'",
        "y = '$timescale'",
        "ORDER BY $zone",
    ],
)
def test_other_forms_of_a_variable_are_found(sql: str) -> None:
    """Each unsafe form of a variable is reported, because a URL could put SQL into it."""
    assert misused_variables(sql, VARIABLES)


@pytest.mark.parametrize("sql", ["x IN ($cluster)", "x = '$zone'", "strpos(x, '$needle') > 0"])
def test_the_safe_forms_pass(sql: str) -> None:
    """Macros and the safe form of each kind of variable are not reported."""
    assert misused_variables(f"date_bin('$__interval', time) WHERE $__timeFilter(time) AND {sql}", VARIABLES) == []


def test_expansion_is_grafanas() -> None:
    """The time filter becomes BETWEEN, the interval its text, and the start a literal.

    Each value becomes a literal with its quotes doubled.
    """
    sql = expand(
        "'$__interval' $__timeFilter(time) IN ($cluster) $__timeFrom()",
        start=datetime(2026, 1, 1, tzinfo=UTC),
        end=datetime(2026, 1, 2, tzinfo=UTC),
        interval="1m",
        values=["a", "x') OR 1=1 --"],
    )
    assert sql == (
        "'1m' time BETWEEN '2026-01-01T00:00:00.000000Z' AND '2026-01-02T00:00:00.000000Z' IN ('a', 'x'') OR 1=1 --')"
        " '2026-01-01T00:00:00.000000Z'"
    )


def sent(sql: str, *, timescaledb: bool = False, value: str = "a") -> str:
    """Return the SQL for an hour, with `value` for both `cluster` and `needle`."""
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 1, tzinfo=UTC)
    values, text = {"cluster": [value]}, {"needle": value}
    return expand(sql, start=start, end=end, interval="1m", values=values, text=text, timescaledb=timescaledb)


def test_only_groups_differ_with_timescaledb() -> None:
    """Only `$__timeGroup` depends on the data source's setting (grafana/pkg/tsdb/postgres/macros.go)."""
    grouped = "$__timeGroup(time,'$__interval')"
    assert sent(grouped) == "floor(extract(epoch from time)/60)*60"
    assert sent(grouped, timescaledb=True) == "time_bucket('60.000s',time)"
    others = "$__timeFilter(time) $__timeFrom() $__timeTo() $__unixEpochFrom() $__unixEpochTo() $__interval_ms"
    assert sent(others) == sent(others, timescaledb=True)
    assert sent(others).endswith(" 1767225600 1767229200 60000")


def test_macros_are_expanded_in_values_too() -> None:
    """A macro in a value is expanded: its argument ends at the first bracket, and the quote in it is lost.

    An unknown macro in a value raises UnknownMacroError.
    """
    broken = sent("IN ($cluster) AND y = '$needle'", value="$__unixEpochFrom(")
    assert broken == "IN ('1767225600 AND y = '$__unixEpochFrom('"
    with pytest.raises(UnknownMacroError):
        sent("y = '$needle'", value="$nothing(x)")
