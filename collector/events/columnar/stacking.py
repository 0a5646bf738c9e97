"""Stacks groups of one shape from many submissions, and turns their rows into columns."""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Any, TypeAlias

from collector.events.model.event import ROW_HEAD, Group

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from collector.events.model.event import Submission

Part: TypeAlias = "tuple[Submission, Group]"
"""A group, and the submission that holds it."""


class Stack:
    """One or more rows. `table` has a column for each key; `owners` has the part of each row."""

    __slots__ = ("owners", "rows", "subject_hmacs", "table", "times")

    def __init__(self, keys: Sequence[str], rows: list[list[Any]], owners: list[Part]) -> None:
        self.rows, self.owners = rows, owners
        _, self.times, self.subject_hmacs, *columns = zip(*rows, strict=True)
        self.table: dict[str, Sequence[Any]] = dict(zip(keys, columns, strict=True))

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Stack:
        """Stack groups that have the same keys."""
        rows: list[list[Any]] = []
        owners: list[Part] = []
        for part in parts:
            rows += part[1].rows
            owners += [part] * len(part[1].rows)
        return cls(parts[0][1].keys, rows, owners)

    def __len__(self) -> int:
        return len(self.rows)

    def chosen(self, is_chosen: Sequence[bool]) -> Stack | None:
        """Return the chosen rows, or None if none is chosen."""
        rows = list(compress(self.rows, is_chosen))
        return Stack(tuple(self.table), rows, list(compress(self.owners, is_chosen))) if rows else None

    def parts(self) -> Iterable[Part]:
        """Yield each row as a group of its own."""
        for (submission, group), row in zip(self.owners, self.rows, strict=True):
            yield submission, Group(group.cluster, group.host, group.context, group.keys, [row])


def first_values(group: Group) -> list[Any]:
    """Return the values of a group's first row. All rows have the same action and types of values."""
    return group.rows[0][ROW_HEAD:]
