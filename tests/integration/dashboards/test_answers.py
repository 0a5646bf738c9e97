"""`faults` finds each fault of an answer that Grafana refuses or hides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest

from grafana.asked import Language, Question, Shape
from tests.integration.dashboards.answers import Answer, faults

AT = datetime(2026, 3, 1, tzinfo=UTC)
LATER = AT + timedelta(minutes=1)
SERIES = ("time", "metric", "value")


@pytest.mark.parametrize(
    ("shape", "columns", "rows"),
    [
        (Shape.TABLE, ("a", "a"), []),
        (Shape.TABLE, ("address",), [(ip_address("192.0.2.5"),)]),
        (Shape.TABLE, ("codes",), [(["127.0.0.2"],)]),
        (Shape.TIME_SERIES, ("Time", "value"), []),
        (Shape.TIME_SERIES, SERIES, [(None, "a", 1)]),
        (Shape.TIME_SERIES, SERIES, [(LATER, "a", 1), (AT, "a", 1)]),
        (Shape.TIME_SERIES, SERIES, [(AT, "a", 1), (AT, None, 1)]),
        (Shape.TIME_SERIES, SERIES, [(AT, "a", 1), (AT, "a", 2)]),
        (Shape.TIME_SERIES, ("time", "metric"), [(AT, "a")]),
        (Shape.VARIABLE, ("name",), [("a",)]),
        (Shape.VARIABLE, ("__text", "__value"), [("a", None)]),
        (Shape.VARIABLE, ("__text", "__value"), [("a", "a"), ("a", "b")]),
        (Shape.ANNOTATION, ("time",), []),
        (Shape.ANNOTATION, ("time", "text"), [(AT, None)]),
    ],
)
def test_a_fault_is_found(shape: Shape, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Each of these answers has exactly one fault."""
    assert len(faults(_question(shape), Answer(columns, rows))) == 1


@pytest.mark.parametrize(
    ("shape", "columns", "rows"),
    [
        (Shape.TIME_SERIES, SERIES, [(AT, "a", 1), (AT, "b", None), (LATER, "a", 1.5)]),
        (Shape.TABLE, ("a", "b"), [(AT, None), (None, "x")]),
        (Shape.VARIABLE, ("__text", "__value"), [("a", "a"), ("b", "a")]),
        (Shape.ANNOTATION, ("time", "text", "tags"), [(AT, "listed", "a,b")]),
    ],
)
def test_a_good_answer_has_none(shape: Shape, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """An answer in the right form has no fault, also with a null value."""
    assert faults(_question(shape), Answer(columns, rows)) == []


def _question(shape: Shape) -> Question:
    return Question("made/1A", "made", "Made up", Language.SQL, "", shape, {})
