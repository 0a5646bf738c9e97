"""The demo's mail: messages arrive, are checked and queued, and are delivered, in the order of time.

Pure: the same random numbers and the same plan give the same events at any time.
`Traffic.advance` is the only entry point.
"""

from __future__ import annotations

import heapq
from itertools import accumulate, count
from typing import TYPE_CHECKING

from duckwatch.demo import entries
from duckwatch.demo.cast import HOSTS, PEOPLE, RECEIVERS, SENDERS
from duckwatch.demo.day import Day, Incidents
from duckwatch.demo.delivery import Deliveries
from duckwatch.demo.entries import Event, Message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

EVENTS_PER_MESSAGE = 4.55
"""Mean number of events of a message. A test checks it. The rate of messages is computed from it."""

LONGEST_GAP_SECONDS = 60.0
"""Seconds for which the rate counts as constant. A longer gap is drawn anew at its end (gaps have no memory)."""

SUBJECTS = ("Your order", "Your invoice", "This week's digest", "A new sign-in", "Quarterly report")

_RECEIVER_WEIGHTS = list(accumulate(receiver.weight for receiver in RECEIVERS))
_SENDER_WEIGHTS = list(accumulate(sender.weight for sender in SENDERS))
_HOST_WEIGHTS = list(accumulate(host.weight for host in HOSTS))


class Traffic:
    """Makes the mail of a plan.

    `advance` yields the events up to a time, and keeps unfinished deliveries for the next call.
    """

    def __init__(self, random: Random, day: Day, incidents: Incidents | None = None) -> None:
        self._random = random
        self._day = day
        self._deliveries = Deliveries(random, day, incidents or Incidents(), self._queue_id)
        self._ids = count()
        self._order = count()
        self._lives: list[tuple[int, int, Event, Iterator[Event]]] = []
        self._clock = day.begins
        self._arrival: int | None = None

    def advance(self, until: int) -> Iterator[Event]:
        """Yield every new event up to `until` (epoch ms), in the order of time."""
        while True:
            arrival = self._next_arrival(until)
            first = self._lives[0][0] if self._lives else until + 1
            if arrival is not None and arrival <= first:
                self._arrival = None
                self._follow(self._message(arrival))
            elif first <= until:
                _, _, event, life = heapq.heappop(self._lives)
                self._follow(life)
                yield event
            else:
                return

    def _next_arrival(self, until: int) -> int | None:
        """Return the next message's time, None when it is after `until`; then it is kept for the next call."""
        while self._arrival is None and self._clock <= until and self._day.rate > 0:
            gap = self._random.expovariate(self._day.rate_at(self._clock) / EVENTS_PER_MESSAGE)
            self._clock += max(1, round(min(gap, LONGEST_GAP_SECONDS) * 1_000))
            if gap <= LONGEST_GAP_SECONDS:
                self._arrival = self._clock
        return self._arrival if self._arrival is not None and self._arrival <= until else None

    def _follow(self, life: Iterator[Event]) -> None:
        event = next(life, None)
        if event is not None:
            heapq.heappush(self._lives, (event.time, next(self._order), event, life))

    def _message(self, time: int) -> Iterator[Event]:
        random = self._random
        message, subject = self._compose(time), random.choice(SUBJECTS)
        time += random.randint(8, 40)
        refusal = self._refusal()
        if refusal is not None:
            yield Event(time, message.host, "receiver", entries.turned_away(message, subject, *refusal))
            return
        for entry in entries.checked(message):
            yield Event(time, message.host, "receiver", entry)
            time += random.randint(2, 60)
        yield Event(time, message.host, "receiver", entries.received(message, "QUEUED", subject))
        for number in range(1, len(message.to) + 1):
            self._follow(self._deliveries.of(message, number, time + random.randint(20, 900)))

    def _refusal(self) -> tuple[str, str, str] | None:
        """Return, for a few messages, the refusal by a plugin: the action, its description, the reply."""
        fortune = self._random.random()
        if fortune < 0.004:
            return "NOQUEUE", "ratelimit", "550 5.7.1 You reached your daily sending limit"
        if fortune < 0.006:
            return "DROP", "policy", "250 OK silently dropped"
        return None

    def _compose(self, time: int) -> Message:
        random = self._random
        host = random.choices(HOSTS, cum_weights=_HOST_WEIGHTS)[0]
        sender = random.choices(SENDERS, cum_weights=_SENDER_WEIGHTS)[0]
        receivers = random.choices(RECEIVERS, cum_weights=_RECEIVER_WEIGHTS, k=random.choice(sender.recipients))
        mailbox = random.choice(sender.mailboxes)
        local_part = f"bounce+{random.randrange(100_000)}" if sender.verp else mailbox
        return Message(
            id=self._queue_id(time, host.shard),
            message_id=f"<{time}.{random.getrandbits(40)}@{sender.domain}>",
            host=host,
            sender=sender,
            mailbox=mailbox,
            return_path=f"{local_part}@{sender.domain}",
            to=tuple(f"{random.choice(PEOPLE)}.{random.randrange(20_000)}@{each.domain}" for each in receivers),
            body_bytes=max(200, int(random.lognormvariate(0, 0.8) * sender.body_bytes)),
            md5=f"{random.getrandbits(48):012x}",
            tests="BAYES_SPAM=0,MIME_GOOD=-0.1",
            score=f"{max(-1.0, random.gauss(sender.score, 1.2)):.2f}",
        )

    def _queue_id(self, time: int, shard: str) -> str:
        """Return a queue id of ZoneMTA's form: 11 hex digits of epoch ms, 3 of a counter, 4 of the instance."""
        return f"{time:011x}{next(self._ids) % 4096:03x}{shard}"
