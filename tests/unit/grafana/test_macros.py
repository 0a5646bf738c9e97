"""The stand-in for Grafana's interpolation, which the contract tests send their SQL through."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.unit.grafana.macros import expand, misused_variables


@pytest.mark.parametrize(
    "sql",
    [
        "x = $cluster",
        "x = '$cluster'",
        "IN (${cluster:csv})",
        "IN (${cluster})",
        "IN ([[cluster]])",
        "IN ($cluster) AND y = $zone",
    ],
)
def test_other_forms_of_a_variable_are_found(sql: str) -> None:
    """Bare, quoted and formatted variables can carry SQL from an URL into the query."""
    assert misused_variables(sql)


def test_the_safe_form_passes() -> None:
    """Macros and `IN ($name)` are no misuse."""
    assert misused_variables("date_bin('$__interval', time) WHERE $__timeFilter(time) AND x IN ($cluster)") == []


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
