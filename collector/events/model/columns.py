"""Rows of `mail_events` column by column: the form in which thousands of events are quick to handle in Python.

Work on a whole column runs in C (`map`, `zip`, `str.join`). Work on one event at a time is slow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from collector.events.model.event import Identity


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows as columns: each column has one value for each row, as `MailEvent` holds it.

    A column that is missing in `values` is null in all rows. A column in `whole` is null in none.
    """

    count: int
    values: Mapping[str, Sequence[Any]]
    whole: frozenset[str] = frozenset()

    def column(self, name: str) -> Sequence[Any]:
        """Return a column's values, one for each row."""
        return self.values.get(name) or [None] * self.count

    def rows(self, *names: str) -> Iterable[tuple[Any, ...]]:
        """Return the values of the named columns, one tuple for each row."""
        return zip(*[self.column(name) for name in names], strict=True)

    def identities(self) -> Iterable[Identity]:
        """Return the identity of each row."""
        return zip(self.values["event_id"], self.values["cluster"], self.values["time"], strict=True)
