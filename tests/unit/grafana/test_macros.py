"""The stand-in for Grafana's interpolation, which the contract tests send their SQL through."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.grafana.macros import expand, misused_variables

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
    """Bare, half quoted and formatted variables, and those in the form of another kind, can carry SQL from an URL."""
    assert misused_variables(sql, VARIABLES)


@pytest.mark.parametrize("sql", ["x IN ($cluster)", "x = '$zone'", "strpos(x, '$needle') > 0"])
def test_the_safe_forms_pass(sql: str) -> None:
    """Macros and the form of the variable's kind are no misuse."""
    assert misused_variables(f"date_bin('$__interval', time) WHERE $__timeFilter(time) AND {sql}", VARIABLES) == []


def test_expansion_is_grafanas() -> None:
    """The time filter becomes BETWEEN, the interval its text, the beginning a literal,
    each value a literal with its quotes doubled.
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
