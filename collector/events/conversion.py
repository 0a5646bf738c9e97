"""Turns an entry into table rows, by its source: rows of `mail_events`, and of the tables beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec.structs import replace

from collector.events.model.event import Action, Entry, MailEvent, Source
from collector.events.model.precedence import slots_of
from collector.events.model.side_tables import HeldEvent, Record
from collector.events.sources import arf, authlog, dnsbl, wildduck, wildduck_messages, zonemta, zonemta_queue

if TYPE_CHECKING:
    from collector.events.model.event import Submission

TableRow: TypeAlias = MailEvent | Record

EntryReader: TypeAlias = Callable[[Entry, Source, int, Mapping[str, str]], Sequence[TableRow]]
"""Turns an entry into rows. Arguments: the entry, its source, its receipt (epoch ms), `public_ips`. Pure; never raises.
"""


def _zonemta(entry: Entry, source: Source, received_at: int, public_ips: Mapping[str, str]) -> Sequence[TableRow]:
    return [zonemta.mail_event(entry, source=source, received_at=received_at, public_ips=public_ips)]


def _held(entry: Entry, source: Source, received_at: int, public_ips: Mapping[str, str]) -> Sequence[TableRow]:
    """Return the row that holds an event of a backup source, because the plugin may still report it in more detail.

    Logins have one source, and are stored at once.
    """
    if entry.fields.get("action") == authlog.WORD:
        return [authlog.login_of(entry, source, received_at)]
    event = zonemta.mail_event(entry, source=source, received_at=received_at, public_ips=public_ips)
    slots = slots_of(event)
    return [HeldEvent.of(event, slots[0])] if slots else [event]


def _dnsbl(entry: Entry, source: Source, received_at: int, public_ips: Mapping[str, str]) -> Sequence[TableRow]:
    del source, public_ips
    return [dnsbl.result_of(entry, received_at)]


def _webhook(entry: Entry, source: Source, received_at: int, public_ips: Mapping[str, str]) -> Sequence[TableRow]:
    del source, public_ips
    return wildduck.webhook_rows_of(entry, received_at)


def _complaint(entry: Entry, source: Source, received_at: int, public_ips: Mapping[str, str]) -> Sequence[TableRow]:
    del source, public_ips
    return [arf.complaint_of(entry, received_at)]


def _changed(entry: Entry, source: Source, received_at: int, public_ips: Mapping[str, str]) -> Sequence[TableRow]:
    """Return the rows of a change in ZoneMTA's queue (`sources/zonemta_queue.py`) or in a collection of WildDuck."""
    match entry.fields.get("action"):
        case authlog.WORD:
            return [authlog.login_of(entry, source, received_at)]
        case wildduck_messages.WORD:
            return [wildduck_messages.stored_event(entry, received_at)]
    event = zonemta.mail_event(entry, source=source, received_at=received_at, public_ips=public_ips)
    if entry.fields.get("action") == "RELEASED":
        event_id = zonemta.bounded_id(f"{event.queue_id}.{event.seq}:{Action.RELEASED.value}")
        event = replace(event, action=Action.RELEASED, event_id=event_id, raw=None)
    is_unsendable = event.action is Action.QUEUED and entry.fields.get("transtype") == zonemta_queue.API
    slots = slots_of(event)
    return [HeldEvent.of(event, slots[0], is_unsendable=is_unsendable)] if slots else [event]


READERS: Final[Mapping[Source, EntryReader]] = {
    Source.PLUGIN: _zonemta,
    Source.BOUNCE: _held,
    Source.GELF: _held,
    Source.DNSBL: _dnsbl,
    Source.WILDDUCK: _webhook,
    Source.ARF: _complaint,
    Source.CHANGE_STREAM: _changed,
}
"""The reader of each source's entries. A source that is not here sends ZoneMTA's log entries."""


def rows_of(entry: Entry, submission: Submission, public_ips: Mapping[str, str]) -> Sequence[TableRow]:
    """Return the rows of one entry of the submission."""
    return READERS.get(submission.source, _zonemta)(entry, submission.source, submission.received_at, public_ips)
