"""The shapes that ZoneMTA writes: which fields go into a column, which stay in `raw`, and which values are unusual.

A *shape* is the keys of an entry, in order, with the types of their values. A real day has about twenty shapes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from collector.events import addresses
from collector.events.border.fields import INT32_MAX, SURELY_SHORT, number_of
from collector.events.border.json_values import INT64_MAX, YEAR_2200_MS
from collector.events.sources import zonemta

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from collector.events.model.event import Action

Shape: TypeAlias = "tuple[str, bool, bool, bool]"
"""Action; True if `tls` is true; True if `ip` has a public address; True if `to` may hold several addresses."""

Table: TypeAlias = "Mapping[str, Sequence[Any]]"

TEXTS: dict[str, str] = zonemta.TEXT_COLUMNS | {"message-id": "message_id", "messageId": "message_id"}
INTEGERS: dict[str, tuple[str, int]] = {
    "defcount": ("attempt", INT32_MAX),
    "nextattempt": ("next_attempt", YEAR_2200_MS),
    "size": ("size_bytes", INT64_MAX),
    "body": ("size_bytes", INT64_MAX),
    "timer": ("smtp_ms", INT32_MAX),
}
_ALTERNATIVES = (
    ("message-id", "messageId"), ("size", "body"), ("to", "recipient"), ("response", "responseText"),
    zonemta.DROP_REASONS,
)  # fmt: skip
"""Names of which a shape may have one. If an entry has several, `mail_event` decides which one counts."""

_OTHER_TEXTS = frozenset(
    {"from", "returnPath", "to", "recipient", "mx", "host", "ip", "response", "responseText", "score"}
)
_MAY_BE_FALSE = frozenset({"timer", "tlsVersion"})
_LEFT = frozenset({
    "action", "src", "md5", "tests", "originhost", "transhost", "transtype", "headerFrom", "start", "secure", "tls",
    "tlsCipher",
    "tlsAuthorized", "tlsAuthorizationError", "protocol", "httpUrl", "httpResponse", "result", "queued", "bounceType",
    "bounceId",
    "suppressed address", "suppressed domain", "description", "reason", "error", "created",
})  # fmt: skip
KNOWN = _LEFT | _OTHER_TEXTS | TEXTS.keys() | INTEGERS.keys()
"""Every key that ZoneMTA 3.11 writes, and `created`, the time of a bare entry.

Only shapes of these keys are cached, so that no sender can fill the cache.
"""

MANY = 2


class Plan(NamedTuple):
    """How to read a shape: its texts and whole numbers, and the keys that stay in `raw`."""

    action: Action
    texts: tuple[str, ...]
    integers: tuple[str, ...]
    columns: frozenset[str]
    rest: type[msgspec.Struct] | None
    rest_keys: tuple[str, ...]
    is_mapped: bool
    is_many: bool


@lru_cache(maxsize=256)
def plan_of(
    word: str,
    is_tls: bool,  # noqa: FBT001  # parts of a cache's key
    is_mapped: bool,  # noqa: FBT001
    is_many: bool,  # noqa: FBT001
    keys: tuple[str, ...],
    types: tuple[type, ...],
) -> Plan | None:
    """Return the plan for a shape, or None if ZoneMTA does not write it."""
    action = zonemta.ACTIONS.get(word)
    kinds = dict(zip(keys, types, strict=True))
    drop_reasons = kinds.keys() & set(zonemta.DROP_REASONS) if action in zonemta.ENDS_UNSENT else set()
    if action is None or "id" not in kinds or any(len(kinds.keys() & set(names)) > 1 for names in _ALTERNATIVES):
        return None
    columns = set(drop_reasons)
    for key, kind in kinds.items():
        if key in _MAY_BE_FALSE and kind is bool:
            continue
        if key in INTEGERS or key in TEXTS or key in _OTHER_TEXTS:
            if kind is not (int if key in INTEGERS else str):
                return None
            columns.add(key)
    if is_mapped:
        columns.discard("ip")  # `raw` keeps the other address
    if is_many:
        columns.discard("to")  # `raw` keeps all addresses
    if is_tls and kinds.get("tlsAuthorized") is bool:
        columns.add("tlsAuthorized")
    if any(kinds[key] is not str for key in drop_reasons) or kinds.get("bounceType", str) is not str:
        return None
    rest = tuple(key for key in keys if key not in columns and key != "action")
    return Plan(
        action,
        tuple(key for key in columns if kinds[key] is str),
        tuple(key for key in columns if key in INTEGERS),
        frozenset(columns),
        _object_of(rest) if rest else None,
        rest,
        is_mapped,
        is_many,
    )


def _object_of(keys: Sequence[str]) -> type[msgspec.Struct]:
    """Return a struct type that is encoded as an object with these keys. It takes a third of a dictionary's time."""
    names = [f"field_{place}" for place in range(len(keys))]
    return msgspec.defstruct("Rest", names, rename=dict(zip(names, keys, strict=True)), gc=False)


_IS_ODD: dict[str, Callable[[Any], bool]] = {
    "id": lambda text: not text,
    "seq": lambda text: not text,
    "from": lambda text: not addresses.is_usual(text),
    "returnPath": lambda text: not addresses.is_usual(text),
    "to": lambda text: not text or not addresses.is_usual(text),
    "recipient": lambda text: not text or not addresses.is_usual(text),
    "mx": lambda host: host != host.lower() or host[-1:] in ("", "."),
    "host": lambda ip: addresses.canonical_ip(ip) != ip,
    "ip": lambda ip: addresses.canonical_ip(ip) != ip,
    "score": lambda score: number_of(score) is None,
}
"""Values that need a rule of `mail_event`. Texts that a column cuts, and numbers that do not fit, need it too."""


def odd_rows(plan: Plan, table: Table) -> set[int]:
    """Return the indexes of the rows that are left to `mail_event`."""
    odd: set[int] = set()
    for key in plan.texts:
        if max(map(len, table[key])) > SURELY_SHORT:
            odd |= {place for place, text in enumerate(table[key]) if len(text) > SURELY_SHORT}
    for key in plan.integers:
        numbers, largest = table[key], INTEGERS[key][1]
        if min(numbers) < 0 or max(numbers) > largest:
            odd |= {place for place, number in enumerate(numbers) if not 0 <= number <= largest}
    for key in plan.columns & _IS_ODD.keys():
        values = table[key]
        strange = set(filter(_IS_ODD[key], set(values)))
        if strange:
            odd |= {place for place, value in enumerate(values) if value in strange}
    if plan.is_many:
        odd |= {place for place, text in enumerate(table["to"]) if addresses.count(text) < MANY}
    return odd
