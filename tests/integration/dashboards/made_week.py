"""A made-up week of mail: complete messages, with nights, take-overs, late events and times at borders of buckets."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import msgspec

from collector.events.model.event import Action, BounceKind, Direction, MailEvent, Provider, Reason, Source

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
BORDERS = (15 * SECOND, 5 * MINUTE, HOUR, DAY)

CLUSTERS = ("eu1", "it's", "us1")
ZONES = (None, "default", 'bulk \\ "{x}" %')
PROVIDERS = (Provider.GOOGLE, Provider.MICROSOFT, Provider.YAHOO, Provider.OTHER, None)
ADDRESSES = (None, "192.0.2.5", "192.0.2.6", "2001:db8::5")
SENDERS = (None, "shop.example", "news.example", "small.example")
REASONS = (Reason.REPUTATION, Reason.UNKNOWN_USER, Reason.GREYLISTED, Reason.OTHER, Reason.MAILBOX_FULL)
REPLIES = (None, "550 no such user", "450 later <b>'x'</b>", "421 {busy} $1 %s \\")


@dataclass
class Week:
    """The events, grouped by how they arrive. `rows` are the rows of `mail_events` after all have arrived."""

    on_time: list[MailEvent] = field(default_factory=list)
    held: list[MailEvent] = field(default_factory=list)
    """Events of a backup source. The job `reconcile` stores them."""
    late: list[MailEvent] = field(default_factory=list)
    """Events that arrive after the roll-ups were built. Some take over the row of a held event."""
    taken_over: list[MailEvent] = field(default_factory=list)
    """The held events whose rows are taken over."""

    @property
    def rows(self) -> list[MailEvent]:
        """Return the rows that remain after the take-overs."""
        gone = {event.event_id for event in self.taken_over}
        return [*self.on_time, *(event for event in self.held if event.event_id not in gone), *self.late]


def make_week(end: int, messages: int = 1500, seed: int = 15) -> Week:
    """Return the mail of the seven days up to `end` (epoch ms), a third of it in the last three hours."""
    chance = random.Random(seed)
    week = Week()
    for number in range(messages):
        span = 3 * HOUR if number % 3 == 0 else 7 * DAY
        queued = _moment(end, span, chance)
        for event in _life(queued, end, number, chance):
            _sort_in(week, event, chance)
    return week


def _moment(end: int, span: int, chance: random.Random) -> int:
    """Return a random time in the span. Nights have a tenth of the mail, and some times are at a border of buckets."""
    while True:
        at = end - 1 - chance.randrange(span)
        is_night = not 6 <= at // HOUR % 24 < 22
        if span < DAY or not is_night or chance.random() < 0.1:
            break
    if chance.random() < 0.15:
        border = at // (width := chance.choice(BORDERS)) * width
        return max(border - chance.choice([0, 1]), end - 7 * DAY)
    return at


def _life(queued: int, end: int, number: int, chance: random.Random) -> list[MailEvent]:
    """Return the events of one message: `queued`, and each recipient's attempts up to the last."""
    queue_id = f"{queued:011x}{number:07x}"
    recipients = chance.choice([1, 1, 1, 2, 3])
    message: dict[str, Any] = {
        "cluster": chance.choices(CLUSTERS, [6, 3, 1])[0],
        "host": "mta1",
        "source": Source.PLUGIN,
        "direction": chance.choices([Direction.OUTBOUND, Direction.DSN], [9, 1])[0],
        "queue_id": queue_id,
        "message_id": f"<{number}@made.example>",
        "zone": chance.choice(ZONES),
        "sender_domain": chance.choice(SENDERS),
    }
    events = [_event(message, queued, Action.QUEUED, None, recipients=recipients, size_bytes=1000 + number)]
    if chance.random() < 0.05:
        action = chance.choice([Action.DROPPED, Action.REFUSED])
        return [*events, _event(message, queued + 5, action, None, recipients=recipients)]
    for person in range(1, recipients + 1):
        events += _attempts(message, queued, person, chance)
    return [event for event in events if event.time < end]


def _attempts(message: dict[str, Any], queued: int, person: int, chance: random.Random) -> list[MailEvent]:
    seq = f"{person:03x}"
    provider = chance.choice(PROVIDERS)
    to: dict[str, Any] = {
        "recipients": 1,
        "recipient": f"r{person}@{provider or 'none'}.example",
        "recipient_domain": f"{provider or 'none'}.example",
        "provider": provider,
        "mx_host": f"mx.{provider or 'none'}.example",
        "local_ip": chance.choice(ADDRESSES),
    }
    at, events, retries = queued, [], chance.choice([0, 0, 0, 1, 2, 3])
    for attempt in range(1, retries + 1):
        at += chance.choice([700, 5 * MINUTE, HOUR])
        failure = _failure(chance, 450) | {"attempt": attempt, "next_attempt": at + 5 * MINUTE}
        events.append(_event(message, at, Action.DEFERRED, seq, **to, **failure))
    at += chance.choice([0, 999, 1000, 1001, 7000, 5 * MINUTE])
    known = {"attempt": chance.choice([None, retries + 1]), "queue_ms": at - queued}
    if chance.random() < 0.25:
        kind = {"bounce_kind": chance.choice(list(BounceKind))}
        return [*events, _event(message, at, Action.BOUNCED, seq, **to, **known, **kind, **_failure(chance, 550))]
    secured = {"tls_version": chance.choice([None, "TLSv1.2", "TLSv1.3"]), "smtp_code": 250}
    return [*events, _event(message, at, Action.DELIVERED, seq, **to, **known, **secured)]


def _failure(chance: random.Random, code: int) -> dict[str, Any]:
    reply = chance.choice(REPLIES)
    return {"smtp_code": code, "reason": chance.choice(REASONS), "response": reply, "response_pattern": reply}


def _event(message: dict[str, Any], at: int, action: Action, seq: str | None, **values: Any) -> MailEvent:
    place = message["queue_id"] + (f".{seq}" if seq else "")
    detail = f":{values['attempt']}" if action is Action.DEFERRED else ""
    named = {"time": at, "action": action, "seq": seq, "event_id": f"{place}:{action}{detail}", "received_at": at}
    return MailEvent(**(message | named | values))


def _sort_in(week: Week, event: MailEvent, chance: random.Random) -> None:
    """Sort an event into the week: most are on time, one in ten is late.

    A backup source reports some bounces too, and the plugin later reports most of those.
    """
    if event.action is not Action.BOUNCED or chance.random() > 0.3:
        (week.late if chance.random() < 0.1 else week.on_time).append(event)
        return
    told = msgspec.structs.replace(
        event, source=Source.GELF, event_id=f"gelf-{event.event_id}", time=event.time + chance.choice([0, 20 * SECOND])
    )
    week.held.append(told)
    if chance.random() < 0.6:
        week.taken_over.append(told)
        week.late.append(event)
