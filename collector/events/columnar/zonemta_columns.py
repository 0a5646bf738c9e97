"""Turns ZoneMTA's entries into columns, many at once, if their shape is one that ZoneMTA writes.

Every unusual entry (another key or type, a long text, an address in another spelling, …) is left to
`zonemta.mail_event`, which reads all entries. Both use the same functions for their rules, and a property test holds
their results to each other.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from collector.events import addresses
from collector.events.border.fields import number_of
from collector.events.columnar.stacking import Stack, first_values
from collector.events.columnar.zonemta_shapes import INTEGERS, KNOWN, TEXTS, Plan, Shape, Table, odd_rows, plan_of
from collector.events.model.columns import Columns
from collector.events.model.event import Direction, Source
from collector.events.replies.provider import provider_of
from collector.events.sources import zonemta

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from collector.events.columnar.stacking import Part
    from collector.events.model.event import Provider, Submission

_json = msgspec.json.Encoder()

_Alike: TypeAlias = "tuple[Source, str, tuple[str, ...], tuple[type, ...]]"
"""Source, action; keys, types of their values."""


def columns_of(submissions: Iterable[Submission], public_ips: Mapping[str, str]) -> tuple[list[Columns], list[Part]]:
    """Return the rows of entries in known shapes, and the other entries, each with its submission. Never raises."""
    found: list[Columns] = []
    others: list[Part] = []
    for (source, word, keys, kinds), parts in _alike(submissions).items():
        if source is not Source.PLUGIN or word not in zonemta.ACTIONS or not KNOWN.issuperset(keys):
            others += parts
            continue
        for shape, stack in _divided(word, kinds, Stack.of(parts), public_ips):
            plan = plan_of(*shape, keys, kinds)
            usual = None if plan is None else _usual(plan, stack, others)
            if plan is None:
                others += stack.parts()
            elif usual is not None:
                found.append(_read(plan, source, usual, public_ips))
    return found, others


def _alike(submissions: Iterable[Submission]) -> dict[_Alike, list[Part]]:
    """Return the groups of all submissions by source, action, keys and types."""
    found: dict[_Alike, list[Part]] = {}
    for submission in submissions:
        for group in submission.groups:
            values = first_values(group)
            word = values[group.keys.index("action")] if "action" in group.keys else None
            alike = submission.source, word if type(word) is str else "", group.keys, tuple(map(type, values))
            found.setdefault(alike, []).append((submission, group))
    return found


def _divided(
    word: str, kinds: tuple[type, ...], stack: Stack, public_ips: Mapping[str, str]
) -> Iterable[tuple[Shape, Stack]]:
    """Yield the rows by the values that decide how they are read. Nearly always these are the same in all rows."""
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


def _usual(plan: Plan, stack: Stack, others: list[Part]) -> Stack | None:
    """Return the rows whose values are usual, or None if there are none. Add the others to `others`."""
    odd = odd_rows(plan, stack.table)
    if not odd:
        return stack
    is_odd = [place in odd for place in range(len(stack))]
    strange = stack.chosen(is_odd)
    if strange is not None:
        others += strange.parts()
    return stack.chosen([not one for one in is_odd])


_NEVER_NULL = frozenset({
    "time", "cluster", "event_id", "action", "source", "direction", "received_at", "queue_id", "seq", "recipients",
    "mx_host",
    "mx_ip", "provider", "local_ip", "raw",
})  # fmt: skip
"""Columns that have a value in every row here, or in none."""


def _read(plan: Plan, source: Source, stack: Stack, public_ips: Mapping[str, str]) -> Columns:
    count, table = len(stack), stack.table
    values: dict[str, Sequence[Any]] = {
        "time": stack.times,
        "cluster": [group.cluster for _, group in stack.owners],
        "host": [group.host for _, group in stack.owners],
        "event_id": _event_ids(plan, table),
        "action": [plan.action] * count,
        "source": [source] * count,
        "received_at": [submission.received_at for submission, _ in stack.owners],
    }
    if any(stack.subject_hmacs):
        values["subject_hmac"] = stack.subject_hmacs
    values["queue_ms"] = _queue_ms(values["time"], table["id"])
    for key in plan.columns & TEXTS.keys():
        values[TEXTS[key]] = _or_none(table[key])
    for key in plan.integers:
        values[INTEGERS[key][0]] = table[key]
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
        # A list, because msgspec 0.22 leaks an iterator that it gets here.
        made = list(map(plan.rest, *[table[key] for key in plan.rest_keys]))
        values["raw"] = _json.encode_lines(made).decode().split("\n")[:-1]
    return Columns(count, values, _NEVER_NULL | {INTEGERS[key][0] for key in plan.integers})


def _or_none(texts: Sequence[str]) -> Sequence[str | None]:
    return texts if "" not in texts else [text or None for text in texts]


def _event_ids(plan: Plan, table: Table) -> list[str]:
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


def _addresses(plan: Plan, table: Table, count: int) -> dict[str, Sequence[Any]]:
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
        values["recipients"] = list(map(addresses.count, table["to"]))
    return values


def _hosts(plan: Plan, table: Table) -> dict[str, Sequence[Any]]:
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


_ANY_REPLY = frozenset({"smtp_code", "enhanced_code", "category", "response", "response_pattern"})


def _replies(plan: Plan, table: Table, providers: Sequence[Provider | None]) -> dict[str, Sequence[Any]]:
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
        # The columns that only failures have are null.
        return {
            name: column
            for name, column in zip(zonemta.REPLY_COLUMNS, zip(*replies, strict=True), strict=True)
            if name in _ANY_REPLY
        }
    known: dict[tuple[Any, ...], Any] = {}
    for row in rows:
        if row not in known:
            known[row] = zonemta.reply_of(plan.action, *row)
    return dict(zip(zonemta.REPLY_COLUMNS, zip(*[known[row] for row in rows], strict=True), strict=True))
