"""One recipient's delivery in the demo: attempts, deferrals, the end, and the DSN about it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, count
from typing import TYPE_CHECKING

from duckwatch.demo import entries, replies
from duckwatch.demo.cast import BAD_LIST_SENDER, LISTED_ADDRESS, RECEIVERS, ZONES, Family, Receiver
from duckwatch.demo.day import within
from duckwatch.demo.entries import Attempt, Event
from duckwatch.demo.replies import Fate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from duckwatch.demo.day import Day, Incidents
    from duckwatch.demo.entries import Message

LADDER_SECONDS = (8, 12, 20, 40, 60)
"""Seconds to the next attempt, by the number of attempts; ZoneMTA's delays (5, 7, 8, 25 … minutes) made shorter.

After the last one the delivery fails.
"""

DELAYED_AFTER = 4
"""Number of the deferral after which the sender gets a DSN, once."""

LASTS = {Fate.GREYLISTED: 1, Fate.THROTTLED: 2, Fate.FULL: 4, Fate.NETWORK: 3}
"""Temporary fate -> least number of attempts that fail because of it."""

LIST_USERS = (Family.POSTFIX, Family.APPLE)
"""The receivers that look up a sending address in DNS lists."""

_FATES = list(replies.FATES)
_FATE_WEIGHTS = list(accumulate(replies.FATES.values()))
_BY_DOMAIN = {receiver.domain: receiver for receiver in RECEIVERS}
_OWN_DOMAIN = Receiver("", ("",), ("198.51.100.90",), Family.POSTFIX, 0, 0.2)


@dataclass(frozen=True, slots=True)
class Errand:
    """The delivery of a message to one recipient: its receiver, its zone, and its fate."""

    message: Message
    seq: str
    to: str
    receiver: Receiver
    zone: str
    fate: Fate


class Deliveries:
    """Makes the events of deliveries. `new_id(time, shard)` returns the queue id of a DSN."""

    def __init__(self, random: Random, day: Day, incidents: Incidents, new_id: Callable[[int, str], str]) -> None:
        self._random = random
        self._day = day
        self._incidents = incidents
        self._new_id = new_id

    def of(self, message: Message, number: int, time: int) -> Iterator[Event]:
        """Yield the events of the `number`th recipient (from 1), from `time` on."""
        seq, to = f"{number:03d}", message.to[number - 1]
        fortune = self._random.random()
        if fortune < 0.004:
            yield Event(time, message.host, "main", entries.suppressed(message.id, seq, to))
        elif fortune < 0.005:
            yield Event(time, message.host, "main", entries.deleted(message.id, seq))
        else:
            receiver = _BY_DOMAIN[to.rpartition("@")[2]]
            bulk_to_google = receiver.family is Family.GOOGLE and message.sender.zone == "bulk"
            zone = "gmail" if bulk_to_google else message.sender.zone
            yield from self._attempts(Errand(message, seq, to, receiver, zone, self._fate(message, time)), time)

    def _attempts(self, errand: Errand, time: int) -> Iterator[Event]:
        host = errand.message.host
        for attempts in count(1):
            local_ip = self._random.choice(ZONES[errand.zone])
            fate = self._meets(errand, attempts, local_ip, time)
            attempt = self._session(errand, local_ip, fate, time)
            time += attempt.timer or self._random.randint(3_000, 9_000)
            if fate is Fate.DELIVERED:
                yield Event(time, host, "sender", entries.attempted(attempt, "ACCEPTED", {"defcount": attempts}))
                return
            reply = replies.answer(fate, errand.receiver.family)
            # An address on a list is not the message's fault: ZoneMTA tries the pool's other addresses first.
            if attempts > len(LADDER_SECONDS) or (replies.final(reply) and fate is not Fate.LISTED):
                why: entries.Entry = {"category": reply.category, "defcount": attempts}
                yield Event(time, host, "sender", entries.attempted(attempt, "REJECTED", why))
                yield from self._notify(errand, "failure", time + self._random.randint(10, 80))
                return
            wait = round(LADDER_SECONDS[attempts - 1] * self._random.uniform(0.9, 1.3) * 1_000)
            why = {"category": reply.category, "defcount": attempts, "nextattempt": time + wait}
            yield Event(time, host, "sender", entries.attempted(attempt, "DEFERRED", why))
            if attempts == DELAYED_AFTER:
                yield from self._notify(errand, "delayed", time + self._random.randint(10, 80))
            time += wait

    def _fate(self, message: Message, time: int) -> Fate:
        """Return a random fate for a recipient. During the incident of an outdated mailing list
        most are unknown users.
        """
        in_the_hour = within(self._incidents.bad_list, self._day.elapsed(time))
        if in_the_hour and message.sender.domain == BAD_LIST_SENDER and self._random.random() < 0.55:
            return Fate.UNKNOWN_USER
        return self._random.choices(_FATES, cum_weights=_FATE_WEIGHTS)[0]

    def _meets(self, errand: Errand, attempts: int, local_ip: str, time: int) -> Fate:
        """Return the fate of this attempt: the incident of the hour, else the recipient's, if it is not over by now."""
        elapsed, family = self._day.elapsed(time), errand.receiver.family
        if local_ip == LISTED_ADDRESS and family in LIST_USERS and within(self._incidents.listed, elapsed):
            return Fate.LISTED
        bulk = family is Family.GOOGLE and errand.zone == "gmail"
        if bulk and within(self._incidents.rate_limited, elapsed) and self._random.random() < 0.7:
            return Fate.RATE_LIMITED
        lasts = LASTS.get(errand.fate)
        if lasts is not None and attempts > lasts and self._random.random() < 0.6:
            return Fate.DELIVERED
        return errand.fate

    def _session(self, errand: Errand, local_ip: str, fate: Fate, time: int) -> Attempt:
        random, receiver, message = self._random, errand.receiver, errand.message
        mx, address = random.choice(receiver.mx), random.choice(receiver.addresses)
        size = message.body_bytes + 1_400
        delivered = fate is Fate.DELIVERED
        text = replies.ACCEPTED[receiver.family] if delivered else replies.answer(fate, receiver.family).text
        response = text.format(
            seconds=time // 1_000,
            id=f"{random.getrandbits(40):010X}",
            number=random.getrandbits(44),
            message_id=message.message_id,
            size=size,
            ip=local_ip,
            to=errand.to,
            mx=mx,
            host=address,
            domain=receiver.domain,
            from_domain=message.sender.domain,
        )
        timer = max(15, round(random.lognormvariate(0, 0.5) * receiver.seconds * 1_000))
        return Attempt(
            id=message.id,
            seq=errand.seq,
            message_id=message.message_id,
            zone=errand.zone,
            return_path=message.return_path,
            to=errand.to,
            receiver=receiver,
            mx=mx,
            address=address,
            local_ip=local_ip,
            size=size,
            timer=None if fate in (Fate.NETWORK, Fate.NO_MX) else timer,
            response=response,
        )

    def _notify(self, errand: Errand, kind: str, time: int) -> Iterator[Event]:
        """Yield the events of a DSN to the sender: queued by ZoneMTA's master, delivered in the zone `bounces`."""
        random, message = self._random, errand.message
        bounce_id = self._new_id(time, message.host.shard)
        yield Event(time, message.host, "main", entries.queue_bounce(message.id, errand.seq, kind, bounce_id))
        message_id = f"<{random.getrandbits(64):016x}@{message.host.name}>"
        subject = f"Delivery Status Notification ({kind.title()}: {errand.to})"
        queued = entries.dsn_queued(bounce_id, message_id, message.return_path, subject, message.host.name)
        yield Event(time + 4, message.host, "main", queued)
        attempt = Attempt(
            id=bounce_id,
            seq="001",
            message_id=message_id,
            zone="bounces",
            return_path="",
            to=message.return_path,
            receiver=_OWN_DOMAIN,
            mx=f"mx.{message.sender.domain}",
            address=_OWN_DOMAIN.addresses[0],
            local_ip=random.choice(ZONES["bounces"]),
            size=3_260,
            timer=random.randint(60, 400),
            response=f"250 2.0.0 Ok: queued as {random.getrandbits(40):010X}",
        )
        time += 4 + random.randint(300, 1_500)
        yield Event(time, message.host, "sender", entries.attempted(attempt, "ACCEPTED", {"defcount": 1}))
