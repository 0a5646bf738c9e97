"""Reads a request's body (the plugin's object, an array, or NDJSON) into items. The items are not checked yet."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from collector.errors import TooLargeError, UnreadableError

Item: TypeAlias = dict[str, Any]
"""An event in the form that the plugin writes and that every other source is converted to: `{"time", "host", "entry"}`.
"""

_ENVELOPE_KEYS = frozenset({"events", "plugin"})
_EVENT_KEYS = frozenset({"entry", "action"})


@dataclass(frozen=True, slots=True)
class UnreadLine:
    """A line of NDJSON that is not JSON."""

    text: str


@dataclass(frozen=True, slots=True)
class RejectedItem:
    """An item that its route cannot accept. `error` says why, and quotes nothing of the item."""

    item: object
    error: str


class Body(msgspec.Struct, frozen=True):
    """The items, and the object around them (empty for an array or NDJSON).
    `is_clean` is True if no string can hold NUL or a lone surrogate.
    """

    items: list[Any]
    envelope: dict[str, Any] = {}
    is_clean: bool = True


def read_body(body: bytes, *, max_parts: int, max_items: int) -> Body:
    """Read the body. Raise `TooLargeError` above the limits, if possible before parsing, and `UnreadableError` if it
    holds no JSON object.
    """
    # Every part has at least one byte, so a short body is not counted.
    if len(body) > max_parts and body.count(b",") + body.count(b"[") + body.count(b"{") > max_parts:
        raise TooLargeError(f"more than {max_parts} parts")
    try:
        value, is_clean = read_value(body)
    except ValueError:
        read = _read_lines(body, max_items)
    else:
        read = _arranged(value, is_clean=is_clean)
    if len(read.items) > max_items:
        raise TooLargeError(f"more than {max_items} events")
    if not _has_object(read.items) and not _is_heartbeat(read):
        raise UnreadableError("no event in the body can be read")
    return read


def _arranged(value: object, *, is_clean: bool) -> Body:
    if type(value) is list:
        return Body(value, {}, is_clean)
    if type(value) is not dict:
        raise UnreadableError("the body is neither an object nor an array")
    if not _EVENT_KEYS.isdisjoint(value) or _ENVELOPE_KEYS.isdisjoint(value):
        return Body([value], {}, is_clean)
    events = value.get("events")
    if events is None:
        events = []
    if type(events) is not list:
        raise UnreadableError("`events` is not an array")
    return Body(events, value, is_clean)


def _has_object(items: list[Any]) -> bool:
    # Nearly always the first item is one. A generator over all would cost as much as reading the JSON.
    return bool(items) and (type(items[0]) is dict or any(type(item) is dict for item in items))


def _is_heartbeat(body: Body) -> bool:
    return not body.items and type(body.envelope.get("plugin")) is dict


def _read_lines(body: bytes, max_items: int) -> Body:
    if body.count(b"\n") > max_items:
        raise TooLargeError(f"more than {max_items} lines")
    lines = [line for line in body.split(b"\n") if line.strip()]
    if len(lines) < 2:
        raise UnreadableError("the body is not JSON")
    items: list[Any] = []
    all_clean = True
    for line in lines:
        try:
            value, is_clean = read_value(line)
        except ValueError:
            items.append(UnreadLine(line.decode("utf-8", "replace")))
        else:
            items.append(value)
            all_clean = all_clean and is_clean
    return Body(items, {}, all_clean)


def read_value(text: bytes) -> tuple[Any, bool]:
    """Return the JSON value, and True if its strings are certainly clean.
    Raise ValueError if neither msgspec nor Python can read it.
    """
    try:
        # msgspec accepts a NUL only as an escape, and refuses lone surrogates and raw control characters.
        return msgspec.json.decode(text), b"\\u0000" not in text
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return json.loads(text.decode("utf-8-sig", "replace"), strict=False, parse_int=_integer), False
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _integer(digits: str) -> int | float:
    # Python does not read integers of more than 4,300 digits. Integers over 64 bits become floats anyway (`plain`).
    return int(digits) if len(digits) <= 20 else float(digits)
