"""Rows of `mail_events` column by column: the form in which thousands of events are quick to handle in Python.

What is done to a whole column runs in C (`map`, `zip`, `str.join`); what is done to one event at a time is what costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from collector.events.model.event import Identity


@dataclass(frozen=True, slots=True)
class Columns:
    """Some rows: each column has one value a row, as `MailEvent` holds it; a column that is not there is null in all of them.
    Those in `whole` are null in none.
    """

    count: int
    values: Mapping[str, Sequence[Any]]
    whole: frozenset[str] = frozenset()

    def column(self, name: str) -> Sequence[Any]:
        """Returns a column's values."""
        return self.values.get(name) or [None] * self.count

    def rows(self, *names: str) -> Iterable[tuple[Any, ...]]:
        """Yields the values of some columns, a tuple a row."""
        return zip(*[self.column(name) for name in names], strict=True)

    def identities(self) -> Iterable[Identity]:
        """Yields what tells each row from all others."""
        return zip(self.values["event_id"], self.values["cluster"], self.values["time"], strict=True)
