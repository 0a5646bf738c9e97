"""Sends a question as Grafana does, and finds the faults of the answer for its panel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from grafana.asked import Shape
from tests.integration.dashboards.made_week import DAY, HOUR
from tests.unit.grafana.macros import IN_LIST, LITERAL, expand, milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import psycopg

    from grafana.asked import Question


@dataclass(frozen=True)
class Range:
    """A time range (epoch ms), and Grafana's interval for it on a panel of about 1,000 pixels."""

    start: int
    end: int
    interval: str


def ranges(end: int) -> dict[str, Range]:
    """Return ranges for each roll-up: up to `end` and long ago, on the borders of buckets and within them."""
    hour = end // HOUR * HOUR
    return {
        "half an hour": Range(end - HOUR // 2, end, "2s"),
        "six hours": Range(end - 6 * HOUR, end, "20s"),
        "a day": Range(end - DAY, end, "2m"),
        "an hour on borders": Range(hour - HOUR, hour, "5s"),
        "an hour five days ago": Range(end - 5 * DAY - HOUR, end - 5 * DAY, "5s"),
        "a week": Range(end - 7 * DAY, end, "10m"),
        "thirty days": Range(end - 30 * DAY, end, "1h"),
        "an hour without mail": Range(end - 20 * DAY, end - 20 * DAY + HOUR, "5s"),
    }


@dataclass(frozen=True)
class Choice:
    """The chosen values: `values` for variables of several values, `texts` for variables of one."""

    values: Mapping[str, Sequence[str]]
    texts: Mapping[str, str]


def names(question: Question) -> tuple[set[str], set[str]]:
    """Return the names of the variables in the SQL: those of several values, and those of one."""
    return set(IN_LIST.findall(question.text)), set(LITERAL.findall(question.text))


def same(question: Question, values: Sequence[str]) -> Choice:
    """Return the choice of these values for each variable. A variable of one value gets the first."""
    several, one = names(question)
    return Choice(dict.fromkeys(several, values), dict.fromkeys(one, values[0]))


def sent(question: Question, asked: Range, choice: Choice) -> str:
    """Return the SQL that PostgreSQL gets, and assert that it is the same for both settings of the data source."""
    least = (question.panel or {}).get("interval", "0s")
    first, second = (
        expand(
            question.text,
            start=datetime.fromtimestamp(asked.start / 1000, UTC),
            end=datetime.fromtimestamp(asked.end / 1000, UTC),
            interval=max(asked.interval, least, key=milliseconds),
            values=choice.values,
            text=choice.texts,
            timescaledb=timescaledb,
        )
        for timescaledb in (False, True)
    )
    assert first == second
    return first


@dataclass(frozen=True)
class Answer:
    """The columns in the order of the query, and the rows."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def comparable(self) -> list[tuple[Any, ...]]:
        """Return the rows with numbers rounded to nine digits, so that the order of additions does not matter."""
        return [tuple(_plain(value) for value in row) for row in self.rows]


def ask(connection: psycopg.Connection, question: Question, asked: Range, choice: Choice) -> Answer:
    """Return the answer of the database. Raise `psycopg.Error`."""
    cursor = connection.execute(sent(question, asked, choice).encode())
    assert cursor.description is not None
    return Answer(tuple(column.name for column in cursor.description), cursor.fetchall())


def faults(question: Question, answer: Answer) -> list[str]:
    """Return the reasons why Grafana would refuse the answer or show it wrongly."""
    found = [f"two columns {name}" for name in set(answer.columns) if answer.columns.count(name) > 1]
    kinds = {(name, type(value)) for row in answer.rows for name, value in zip(answer.columns, row, strict=True)}
    found += [f"{name} is {kind.__name__}" for name, kind in kinds if not issubclass(kind, SHOWN)]
    return [*found, *(CHECKS[question.shape](answer) if question.shape in CHECKS else ())]


SHOWN = (str, bool, int, float, Decimal, datetime, type(None))
"""The types that Grafana shows well. It would show an inet with `/32`, and an array with its brackets."""


def _time_series(answer: Answer) -> Iterator[str]:
    if "time" not in answer.columns:
        yield "no column time"
        return
    at = answer.columns.index("time")
    times = [row[at] for row in answer.rows]
    if None in times:
        yield "a row without time"
    elif any(later < earlier for earlier, later in pairwise(times)):
        yield "not in the order of time"
    labels = [
        place
        for place, name in enumerate(answer.columns)
        if any(isinstance(row[place], str | bool) for row in answer.rows)
    ]
    if any(row[place] is None for row in answer.rows for place in labels):
        yield "a label that is null: a series without a name"
    keys = {(row[at], *(row[place] for place in labels)) for row in answer.rows}
    if len(keys) != len(answer.rows):
        yield "two rows of one time and label: Grafana shows the last"
    if answer.rows and len(labels) + 1 >= len(answer.columns):
        yield "no value"


def _variable(answer: Answer) -> Iterator[str]:
    if sorted(answer.columns) != ["__text", "__value"]:
        yield f"columns {answer.columns}"
        return
    texts = [row[answer.columns.index("__text")] for row in answer.rows]
    if len(set(texts)) != len(texts):
        yield "two options of one text: Grafana merges them"
    if not all(isinstance(cell, str) and cell for row in answer.rows for cell in row):
        yield "an option that is empty or no text"


def _annotation(answer: Answer) -> Iterator[str]:
    for name, kind in (("time", datetime), ("text", str)):
        if name not in answer.columns:
            yield f"no column {name}"
        elif not all(isinstance(row[answer.columns.index(name)], kind) for row in answer.rows):
            yield f"{name} that is null or no {kind.__name__}"


CHECKS: Mapping[Shape, Callable[[Answer], Iterator[str]]] = {
    Shape.TIME_SERIES: _time_series,
    Shape.VARIABLE: _variable,
    Shape.ANNOTATION: _annotation,
}


def _plain(value: object) -> object:
    if isinstance(value, float | Decimal):
        return float(f"{value:.9g}")
    return value
