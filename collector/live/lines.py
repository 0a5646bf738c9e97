"""The line protocol of Grafana Live's push endpoint: names, strings and lines. Pure.

A body with one bad line is refused whole (500, without a reason), and Grafana's log then quotes the body up to the
fault. So everything that comes from outside is made harmless here. docs/live.md has the rules.
"""

from __future__ import annotations

import hashlib
import re
from itertools import starmap
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Row: TypeAlias = "tuple[int, Sequence[int | str]]"
"""The time of a row in epoch ms, and its values in the order of the measurement's fields."""

TEXT_CHARACTERS: Final = 200
"""A longer text is cut: a table's cell shows no more."""

NAME_CHARACTERS: Final = 100
"""A channel has at most 160 characters, with the stream's name."""

_NAME: Final = re.compile(rf"[A-Za-z0-9_.-]{{1,{NAME_CHARACTERS}}}", re.ASCII)
_HASHED: Final = re.compile(r"x[0-9a-f]{16}", re.ASCII)
_NOT_NUMBER: Final = "NaN"
_MARK: Final = "\N{ZERO WIDTH SPACE}"

_UNSHOWN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]",
)
"""Control characters (a lone CR and a form feed are parse errors), marks that turn the direction of a cell's text, and
halves of surrogate pairs, which UTF-8 does not have.
"""

_WORD: Final = re.compile(r"\S+")
_ESCAPED: Final = str.maketrans({"\\": "\\\\", '"': '\\"'})


def name_of(value: str) -> str:
    """Return the part of a channel's name that stands for a zone or a domain: itself, or `x` and a hash.

    A channel with another character can be pushed, but no browser can subscribe to it.
    """
    if _NAME.fullmatch(value) and not _HASHED.fullmatch(value):
        return value
    return f"x{hashlib.sha256(value.encode(errors='surrogatepass')).hexdigest()[:16]}"


def text_of(value: str | None) -> str:
    """Return a text as a table may show it. A word with an `@` becomes `…`, since it may be an address."""
    if not value:
        return ""
    # Before it is cut: the first half of an address has no `@`.
    shown = _WORD.sub(_without_address, _UNSHOWN.sub(" ", value))[:TEXT_CHARACTERS]
    # Grafana takes this text for a missing number, and the column's type changes.
    return shown + _MARK if shown == _NOT_NUMBER else shown


def _without_address(word: re.Match[str]) -> str:
    return "…" if "@" in word[0] else word[0]


def body(measurement: str, fields: Sequence[str], rows: Iterable[Row]) -> str:
    """Return the lines of one measurement, oldest first as given. `measurement` and `fields` are safe names.

    Every line has every field, so that the schema is the same in each push.
    """
    return "".join(
        f"{measurement} {','.join(starmap(_field, zip(fields, values, strict=True)))} {time}000000\n"
        for time, values in rows
    )


def _field(name: str, value: int | str) -> str:
    return f"{name}={value}" if isinstance(value, int) else f'{name}="{value.translate(_ESCAPED)}"'
