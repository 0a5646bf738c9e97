"""The type of each column of `mail_events`, derived once at import from the annotations of `MailEvent`."""

from __future__ import annotations

from enum import StrEnum
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args, get_origin, get_type_hints

from collector.events.model.event import MailEvent, Timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping


def _without_null(hint: Any) -> Any:  # noqa: ANN401  # type forms have no common type
    """Return the type form without null: `X` for `X` and for `X | None`."""
    if get_origin(hint) is Annotated or not get_args(hint):
        return hint
    [kept] = [option for option in get_args(hint) if option is not NoneType]
    return kept


_ANNOTATED: Final = get_type_hints(MailEvent, include_extras=True)
_HINTS: Final = {name: _without_null(hint) for name, hint in _ANNOTATED.items()}

NEVER_NULL: Final = frozenset(name for name, hint in _ANNOTATED.items() if hint == _HINTS[name])
"""Columns that have a value in every row."""

COLUMN_TYPES: Final[Mapping[str, type]] = {
    name: get_args(hint)[0] if get_origin(hint) is Annotated else hint for name, hint in _HINTS.items()
}
"""The Python type of each column's values, in the table's order, without null."""

TIMESTAMPS: Final = frozenset(name for name, hint in _HINTS.items() if hint == Timestamp)
"""Columns of epoch milliseconds that are timestamptz in the table."""

CLOSED_SETS: Final[Mapping[str, type[StrEnum]]] = {
    name: kind for name, kind in COLUMN_TYPES.items() if issubclass(kind, StrEnum)
}
"""Columns whose values are the members of an enum."""
