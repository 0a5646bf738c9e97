"""Groups entries by shape. Entries with the same keys and types of values are checked together."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any, TypeAlias

from collector.events.border.json_values import (
    INT64_MAX,
    INT64_MIN,
    SCALARS,
    SUBJECT_KEYS,
    plain_fields,
    plain_text,
    take_subject,
)
from collector.events.model.event import Group

if TYPE_CHECKING:
    from collections.abc import Sequence

Origin: TypeAlias = "tuple[str, str | None, str | None]"
"""Cluster, host, context."""


class Groups:
    """The groups of a submission's entries. Each entry is made plain, and its subject is taken out.

    `is_clean` is True if no string can hold NUL or a lone surrogate. `subject_key` is set if the HMAC of the subject
    is stored.
    """

    __slots__ = ("_is_clean", "_shapes", "_subject_key")

    def __init__(self, *, is_clean: bool, subject_key: bytes | None) -> None:
        self._is_clean, self._subject_key = is_clean, subject_key
        self._shapes: dict[tuple[Any, ...], _Shape] = {}

    def add(self, origin: Origin, index: int, time: int, fields: dict[str, Any]) -> None:
        """Add an entry whose action is text. Raise `TooDeepError` without adding it if it is nested too deeply."""
        shape = self._shape(origin, fields)
        if self._is_clean and shape.is_plain:
            values = list(fields.values())
            for place in shape.integers:
                if not INT64_MIN <= values[place] <= INT64_MAX:
                    break
            else:
                subject = shape.take_subject(values) if shape.subjects else None
                shape.rows.append([index, time, self._hmac(subject), *values])
                return
        self._add_plain(origin, index, time, fields)

    def filled(self) -> list[Group]:
        """Return the groups that have entries."""
        return [shape.group() for shape in self._shapes.values() if shape.rows]

    def _add_plain(self, origin: Origin, index: int, time: int, fields: dict[str, Any]) -> None:
        plain = plain_fields(fields)  # without its subject
        subject = take_subject(fields)
        row = [index, time, self._hmac(subject), *plain.values()]
        self._shape(origin, plain).rows.append(row)

    def _shape(self, origin: Origin, fields: dict[str, Any]) -> _Shape:
        keys, kinds = tuple(fields), tuple(map(type, fields.values()))
        key = (keys, kinds, fields["action"], origin)
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = _Shape(origin, keys, kinds)
        return shape

    def _hmac(self, subject: str | None) -> str | None:
        if self._subject_key is None or subject is None:
            return None
        text = plain_text(subject).strip()
        return hmac.digest(self._subject_key, text.encode(), "sha256").hex() if text else None


class _Shape:
    """One group that is being filled, with what its keys and types show about every entry in it."""

    __slots__ = ("_keys", "_origin", "integers", "is_plain", "rows", "subjects")

    def __init__(self, origin: Origin, keys: tuple[str, ...], kinds: Sequence[type]) -> None:
        self._origin, self._keys = origin, keys
        self.rows: list[list[Any]] = []
        self.is_plain = SCALARS.issuperset(kinds)
        self.integers = [place for place, kind in enumerate(kinds) if kind is int] if int in kinds else ()
        self.subjects: Sequence[int] = ()
        if not SUBJECT_KEYS.isdisjoint(keys):
            self.subjects = [place for place, key in enumerate(keys) if key in SUBJECT_KEYS]
            self._keys = tuple(key for key in keys if key not in SUBJECT_KEYS)

    def take_subject(self, values: list[Any]) -> str | None:
        """Take the values of `subject` keys (in any case) out of an entry. Return the first that is text, or None."""
        found = [values.pop(place) for place in reversed(self.subjects)]
        return next((subject for subject in reversed(found) if type(subject) is str), None)

    def group(self) -> Group:
        """Return the group."""
        return Group(*self._origin, self._keys, self.rows)
