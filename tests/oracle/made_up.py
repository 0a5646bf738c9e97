"""Made-up rows of `mail_events` of every kind, at chosen times."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from collector.events.model.event import Action, Direction, MailEvent, Provider, Reason, Source

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000

RECIPIENTS = ("big.example", "small.example", "other")
REPLIES = ("450 <host>: try again", "550 5.1.1 <addr>: no such user", "other")


def event(at: int, chance: random.Random) -> MailEvent:
    """Return a row of a random kind at that time (epoch ms)."""
    action = chance.choice([Action.QUEUED, Action.DELIVERED, Action.DEFERRED, Action.BOUNCED, Action.DROPPED])
    return MailEvent(
        at, chance.choice(["eu1", "us1"]), "mta1", f"q{chance.randrange(1 << 60)}:{action}", action, Source.PLUGIN,
        chance.choice(list(Direction)),
        recipients=chance.choice([None, 1, 1, 3]),
        zone=chance.choice([None, "default", "bulk"]),
        sender_domain=chance.choice([None, "shop.example", "news.example"]),
        provider=chance.choice([None, Provider.GOOGLE, Provider.OTHER]),
        local_ip=chance.choice([None, "192.0.2.5", "2001:db8::5"]),
        reason=chance.choice(list(Reason)) if action in (Action.DEFERRED, Action.BOUNCED) else None,
        size_bytes=chance.choice([None, 1234, 10**9]),
        queue_ms=chance.choice([None, 0, 1000, 1001, 4 * HOUR, 2 * DAY]),
        attempt=chance.choice([None, 1, 1, 2, 7]),
        recipient_domain=chance.choice([None, *RECIPIENTS]),
        response_pattern=chance.choice([None, *REPLIES]) if action in (Action.DEFERRED, Action.BOUNCED) else None,
        received_at=at,
    )  # fmt: skip


def some(count: int, first: int, last: int, seed: int) -> list[MailEvent]:
    """Return rows at random times from `first` to `last` (epoch ms)."""
    chance = random.Random(seed)
    return [event(chance.randint(first, last), chance) for _ in range(count)]
