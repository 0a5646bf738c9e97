"""ZoneMTA's entries as columns: those of a shape that ZoneMTA writes, many at once.

A *shape* is the keys of an entry, in order, with the types of their values. A real day has some twenty. What is out of the
ordinary in any way (another key or type, a long text, an address in another spelling, …) is left to
`zonemta.mail_event`, which reads anything; the rules are the same functions, and a property test holds the results to each other.
"""

from __future__ import annotations

import contextlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from collector.events import address
from collector.events.columns import Columns
from collector.events.fields import INT32_MAX, SURELY_SHORT, number_of
from collector.events.model import Action, Direction
from collector.events.plain import INT64_MAX, YEAR_2200_MS
from collector.events.provider import provider_of
from collector.events.sources import zonemta
from collector.events.stack import Stack, first_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from collector.events.model import Provider, Request, Source
    from collector.events.stack import Part

_json = msgspec.json.Encoder()

_Alike: TypeAlias = "tuple[Source, str, tuple[str, ...], tuple[type, ...]]"
"""Source, action; keys, types of their values."""

_Shape: TypeAlias = "tuple[str, bool, bool, bool]"
"""Action, whether `tls` is true, `ip` has a public address, `to` may be many addresses."""

_Table: TypeAlias = "Mapping[str, Sequence[Any]]"

_TEXTS: dict[str, str] = zonemta.TEXT_COLUMNS | {"message-id": "message_id", "messageId": "message_id"}
_INTEGERS: dict[str, tuple[str, int]] = {
    "defcount": ("attempt", INT32_MAX),
    "nextattempt": ("next_attempt", YEAR_2200_MS),
    "size": ("size_bytes", INT64_MAX),
    "body": ("size_bytes", INT64_MAX),
    "timer": ("smtp_ms", INT32_MAX),
}
_ALTERNATIVES = (
    ("message-id", "messageId"), ("size", "body"), ("to", "recipient"), ("response", "responseText"), zonemta.DROP_REASONS,
)  # fmt: skip
"""Names of which a shape has one at most: which one counts is a question for `mail_event`."""

_OTHER_TEXTS = frozenset(
    {"from", "returnPath", "to", "recipient", "mx", "host", "ip", "response", "responseText", "score"}
)
_MAY_BE_FALSE = frozenset({"timer", "tlsVersion"})
_LEFT = frozenset({
    "action", "src", "md5", "tests", "originhost", "transhost", "transtype", "headerFrom", "start", "secure", "tls", "tlsCipher",
    "tlsAuthorized", "tlsAuthorizationError", "protocol", "httpUrl", "httpResponse", "result", "queued", "bounceType", "bounceId",
    "suppressed address", "suppressed domain", "description", "reason", "error",
})  # fmt: skip
_KNOWN = _LEFT | _OTHER_TEXTS | _TEXTS.keys() | _INTEGERS.keys()
"""Every key that ZoneMTA 3.11 writes. Only shapes of these are kept in the cache, so no sender can fill it."""

MANY = 2


class _Plan(NamedTuple):
    """How a shape is read: its texts and whole numbers, and the keys that stay in `raw`."""

    action: Action
    texts: tuple[str, ...]
    integers: tuple[str, ...]
    columns: frozenset[str]
    rest: type[msgspec.Struct] | None
    rest_keys: tuple[str, ...]
    is_mapped: bool
    is_many: bool


def columns_of(requests: Iterable[Request], public_ips: Mapping[str, str]) -> tuple[list[Columns], list[Part]]:
    """Returns the rows of the entries in known shapes, and the other entries, each with its request. Never raises."""
    found: list[Columns] = []
    others: list[Part] = []
    for (source, word, keys, kinds), parts in _alike(requests).items():
        if word not in zonemta.ACTIONS or not _KNOWN.issuperset(keys):
            others += parts
            continue
        for shape, stack in _divided(word, kinds, Stack.of(parts), public_ips):
            plan = _plan(*shape, keys, kinds)
            usual = None if plan is None else _usual(plan, stack, others)
            if plan is None:
                others += stack.parts()
            elif usual is not None:
                found.append(_read(plan, source, usual, public_ips))
    return found, others


def _alike(requests: Iterable[Request]) -> dict[_Alike, list[Part]]:
    """Returns the groups of all requests by source, action, keys and types."""
    found: dict[_Alike, list[Part]] = {}
    for request in requests:
        for group in request.groups:
            values = first_values(group)
            word = values[group.keys.index("action")] if "action" in group.keys else None
            alike = request.source, word if type(word) is str else "", group.keys, tuple(map(type, values))
            found.setdefault(alike, []).append((request, group))
    return found


def _divided(
    word: str, kinds: tuple[type, ...], stack: Stack, public_ips: Mapping[str, str]
) -> Iterable[tuple[_Shape, Stack]]:
    """Yields the rows by what their values decide of how they are read; nearly always that is the same in all."""
    table, count = stack.table, len(stack)
    types = dict(zip(table, kinds, strict=True))
    tls = [value is True for value in table["tls"]] if "tls" in table else [False] * count
    is_mapped = public_ips and types.get("ip") is str
    mapped = [ip in public_ips for ip in table["ip"]] if is_mapped else [False] * count
    many = ["," in to for to in table["to"]] if types.get("to") is str else [False] * count
    shapes = list(zip(tls, mapped, many, strict=True))
    kinds_of_shape = set(shapes)
    for shape in kinds_of_shape:
        chosen = stack if len(kinds_of_shape) == 1 else stack.chosen([one == shape for one in shapes])
        if chosen is not None:
            yield (word, *shape), chosen


@lru_cache(maxsize=256)
def _plan(
    word: str,
    is_tls: bool,  # noqa: FBT001  # parts of a cache's key
    is_mapped: bool,  # noqa: FBT001
    is_many: bool,  # noqa: FBT001
    keys: tuple[str, ...],
    types: tuple[type, ...],
) -> _Plan | None:
    """Returns how a shape is read; None when it is none that ZoneMTA writes."""
    action = zonemta.ACTIONS.get(word)
    kinds = dict(zip(keys, types, strict=True))
    drop_reasons = kinds.keys() & set(zonemta.DROP_REASONS) if action in zonemta.ENDS_UNSENT else set()
    if action is None or "id" not in kinds or any(len(kinds.keys() & set(names)) > 1 for names in _ALTERNATIVES):
        return None
    columns = set(drop_reasons)
    for key, kind in kinds.items():
        if key in _MAY_BE_FALSE and kind is bool:
            continue
        if key in _INTEGERS or key in _TEXTS or key in _OTHER_TEXTS:
            if kind is not (int if key in _INTEGERS else str):
                return None
            columns.add(key)
    if is_mapped:
        columns.discard("ip")  # `raw` keeps the other address
    if is_many:
        columns.discard("to")  # and `raw` all of several
    if is_tls and kinds.get("tlsAuthorized") is bool:
        columns.add("tlsAuthorized")
    if any(kinds[key] is not str for key in drop_reasons) or kinds.get("bounceType", str) is not str:
        return None
    rest = tuple(key for key in keys if key not in columns and key != "action")
    return _Plan(
        action,
        tuple(key for key in columns if kinds[key] is str),
        tuple(key for key in columns if key in _INTEGERS),
        frozenset(columns),
        _object_of(rest) if rest else None,
        rest,
        is_mapped,
        is_many,
    )


def _object_of(keys: Sequence[str]) -> type[msgspec.Struct]:
    """Returns a type that is written as an object of these keys: made from a row in a third of a dictionary's time."""
    names = [f"field_{place}" for place in range(len(keys))]
    return msgspec.defstruct("Rest", names, rename=dict(zip(names, keys, strict=True)), gc=False)


def _usual(plan: _Plan, stack: Stack, others: list[Part]) -> Stack | None:
    """Returns the rows whose values are usual too, None when there is none; the rest goes to `others`."""
    odd = _odd_rows(plan, stack.table)
    if not odd:
        return stack
    is_odd = [place in odd for place in range(len(stack))]
    strange = stack.chosen(is_odd)
    if strange is not None:
        others += strange.parts()
    return stack.chosen([not one for one in is_odd])


_IS_ODD: dict[str, Callable[[Any], bool]] = {
    "id": lambda text: not text,
    "seq": lambda text: not text,
    "to": lambda text: address.count(text) != 1,
    "recipient": lambda text: address.count(text) != 1,
    "mx": lambda host: host != host.lower() or host[-1:] in ("", "."),
    "host": lambda ip: address.canonical_ip(ip) != ip,
    "ip": lambda ip: address.canonical_ip(ip) != ip,
    "score": lambda score: number_of(score) is None,
}
"""Which values a rule of `mail_event` has to look at; beside them texts that a column cuts and numbers that do not fit."""


def _odd_rows(plan: _Plan, table: _Table) -> set[int]:
    """Returns the places of rows that are left to `mail_event`."""
    odd: set[int] = set()
    for key in plan.texts:
        if max(map(len, table[key])) > SURELY_SHORT:
            odd |= {place for place, text in enumerate(table[key]) if len(text) > SURELY_SHORT}
    for key in plan.integers:
        numbers, largest = table[key], _INTEGERS[key][1]
        if min(numbers) < 0 or max(numbers) > largest:
            odd |= {place for place, number in enumerate(numbers) if not 0 <= number <= largest}
    for key in plan.columns & _IS_ODD.keys():
        values = table[key]
        strange = set(filter(_IS_ODD[key], set(values)))
        if strange:
            odd |= {place for place, value in enumerate(values) if value in strange}
    if plan.is_many:
        odd |= {place for place, text in enumerate(table["to"]) if address.count(text) < MANY}
    return odd


_NEVER_NULL = frozenset({
    "time", "cluster", "event_id", "action", "source", "direction", "received_at", "queue_id", "seq", "recipients", "mx_host",
    "mx_ip", "provider", "local_ip", "raw",
})  # fmt: skip
"""Columns that have a value in every row that is read here, when they are there at all."""


def _read(plan: _Plan, source: Source, stack: Stack, public_ips: Mapping[str, str]) -> Columns:
    count, table = len(stack), stack.table
    values: dict[str, Sequence[Any]] = {
        "time": stack.times,
        "cluster": [group.cluster for _, group in stack.owners],
        "host": [group.host for _, group in stack.owners],
        "event_id": _event_ids(plan, table),
        "action": [plan.action] * count,
        "source": [source] * count,
        "received_at": [request.received_at for request, _ in stack.owners],
    }
    if any(stack.subject_hmacs):
        values["subject_hmac"] = stack.subject_hmacs
    values["queue_ms"] = _queue_ms(values["time"], table["id"])
    for key in plan.columns & _TEXTS.keys():
        values[_TEXTS[key]] = _or_none(table[key])
    for key in plan.integers:
        values[_INTEGERS[key][0]] = table[key]
    for key in plan.columns & set(zonemta.DROP_REASONS):
        values["drop_reason"] = _or_none(table[key])
    if "tlsAuthorized" in plan.columns:
        values["tls_authorized"] = table["tlsAuthorized"]
    if "score" in plan.columns:
        values["spam_score"] = list(map(number_of, table["score"]))
    if plan.is_mapped:
        values["local_ip"] = [public_ips[ip] for ip in table["ip"]]
    values |= _addresses(plan, table, count) | _hosts(plan, table)
    values |= _replies(plan, table, values.get("provider") or [None] * count)
    if plan.rest is not None:
        # A list: msgspec 0.22 never lets go of an iterator that it is given here.
        made = list(map(plan.rest, *[table[key] for key in plan.rest_keys]))
        values["raw"] = _json.encode_lines(made).decode().split("\n")[:-1]
    return Columns(count, values, _NEVER_NULL | {_INTEGERS[key][0] for key in plan.integers})


def _or_none(texts: Sequence[str]) -> Sequence[str | None]:
    return texts if "" not in texts else [text or None for text in texts]


def _event_ids(plan: _Plan, table: _Table) -> list[str]:
    names = table["id"]
    if "seq" in plan.columns:
        names = [f"{queue_id}.{seq}" for queue_id, seq in zip(names, table["seq"], strict=True)]
    field = zonemta.DETAILS.get(plan.action)
    details = table.get(field) if field is not None else None
    if details is None:
        end = f":{plan.action.value}"
        event_ids = [name + end for name in names]
    else:
        event_ids = [f"{name}:{plan.action.value}:{detail}" for name, detail in zip(names, details, strict=True)]
    return list(map(zonemta.bounded_id, event_ids))


def _queue_ms(times: Sequence[int], queue_ids: Sequence[str]) -> Sequence[int | None]:
    heads = [queue_id[: zonemta.QUEUED_AT_DIGITS] for queue_id in queue_ids]
    if min(map(len, heads)) == zonemta.QUEUED_AT_DIGITS and all(map(str.isalnum, heads)):
        with contextlib.suppress(ValueError):
            waits = [time - int(head, 16) for time, head in zip(times, heads, strict=True)]
            if min(waits) >= 0 and max(waits) <= zonemta.LONGEST_IN_QUEUE_MS:
                return waits
    return list(map(zonemta.queue_ms, times, queue_ids))


def _addresses(plan: _Plan, table: _Table, count: int) -> dict[str, Sequence[Any]]:
    values: dict[str, Sequence[Any]] = {"direction": [Direction.OUTBOUND] * count}
    if (senders := table.get("from")) is not None:
        known = {sender: zonemta.address_of(sender) for sender in set(senders)}
        values["sender"], values["sender_domain"] = zip(*[known[sender] for sender in senders], strict=True)
        if not zonemta.NULL_SENDERS.isdisjoint(known):
            null, dsn, outbound = zonemta.NULL_SENDERS, Direction.DSN, Direction.OUTBOUND
            values["direction"] = [dsn if sender in null else outbound for sender in senders]
    if (paths := table.get("returnPath")) is not None:
        if paths == senders:
            values["return_path"] = values["sender"]
        else:
            values["return_path"] = [zonemta.address_of(path)[0] for path in paths]
    recipients = None if plan.is_many else table.get("to") or table.get("recipient")
    if recipients is not None:
        values["recipient"], values["recipient_domain"] = zip(*map(zonemta.address_of, recipients), strict=True)
    if "seq" in plan.columns or "to" in plan.columns:
        values["recipients"] = [1] * count
    elif plan.is_many:
        values["recipients"] = list(map(address.count, table["to"]))
    return values


def _hosts(plan: _Plan, table: _Table) -> dict[str, Sequence[Any]]:
    values: dict[str, Sequence[Any]] = {}
    if "mx" in plan.columns:
        known = {host: provider_of(host) for host in set(table["mx"])}
        values["mx_host"] = table["mx"]
        values["provider"] = [known[host] for host in table["mx"]]
    if "host" in plan.columns:
        values["mx_ip"] = table["host"]
    if "ip" in plan.columns:
        values["local_ip"] = table["ip"]
    return values


_REPLY = (
    "smtp_code",
    "enhanced_code",
    "category",
    "reason",
    "bounce_kind",
    "provider_code",
    "response",
    "response_pattern",
)


_ANY_REPLY = frozenset({"smtp_code", "enhanced_code", "category", "response", "response_pattern"})


def _replies(plan: _Plan, table: _Table, providers: Sequence[Provider | None]) -> dict[str, Sequence[Any]]:
    responses = table.get("response") or table.get("responseText")
    if responses is None and plan.action not in zonemta.FAILURES:
        return {}
    nothing = [None] * len(providers)
    rows = list(
        zip(
            responses or [""] * len(providers),
            providers,
            _or_none(table["category"]) if "category" in plan.columns else nothing,
            [protocol == "http" for protocol in table.get("protocol", nothing)],
            strict=True,
        )
    )
    if plan.action not in zonemta.FAILURES:
        replies = [zonemta.reply_of(plan.action, *row) for row in rows]
        # What only failures have is null.
        return {
            name: column for name, column in zip(_REPLY, zip(*replies, strict=True), strict=True) if name in _ANY_REPLY
        }
    known: dict[tuple[Any, ...], Any] = {}
    for row in rows:
        if row not in known:
            known[row] = zonemta.reply_of(plan.action, *row)
    return dict(zip(_REPLY, zip(*[known[row] for row in rows], strict=True), strict=True))
