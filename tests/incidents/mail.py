"""The mail and the logins of a house before which incidents happen: the demo's mail, on a day without its incidents."""

from __future__ import annotations

import asyncio
import random
import time
from threading import Event as Flag
from threading import Thread
from typing import TYPE_CHECKING

from duckwatch.demo.cast import LISTED_ADDRESS, RECEIVERS, Family
from duckwatch.demo.day import Day, Incidents
from duckwatch.demo.feed import Feed
from duckwatch.demo.replies import ACCEPTED
from duckwatch.demo.traffic import Traffic
from tests.servers.gelf import send_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckwatch.demo.entries import Entry, Event

EVENTS_A_SECOND = 60
NEVER = (2.0, 2.0)
YAHOO = {mx for receiver in RECEIVERS if receiver.family is Family.YAHOO for mx in receiver.mx}
LIST_USERS = {mx for receiver in RECEIVERS if receiver.family is Family.POSTFIX for mx in receiver.mx}
BLOCKED = "553 5.7.1 [BL21] Connections will not be accepted from {ip}, because the ip is in Spamhaus's list"
LISTED = "554 5.7.1 Service unavailable; Client host [{ip}] blocked using bl.lists.example"

ATTACKER = "198.51.100.77"
ACCOUNTS = 16
ATTACKS_A_SECOND = 48


class Mail:
    """The demo's traffic. While `yahoo_refuses` or `is_enforced` is set, receivers refuse the mail that this says."""

    def __init__(self, seed: int) -> None:
        self.yahoo_refuses = False
        self.is_enforced = False
        day = Day(EVENTS_A_SECOND, now_ms(), day_seconds=86_400, history_seconds=0)
        self._traffic = Traffic(random.Random(seed), day, Incidents(NEVER, NEVER, NEVER))

    def advance(self, until: int) -> Iterator[Event]:
        """Yield the new events up to `until` (epoch ms).

        None is about an attempt without a receiver's answer: in the short windows of a trial, and at night, they are a
        large share of what goes to small providers.
        """
        for event in self._traffic.advance(until):
            if event.entry["action"] not in ("REJECTED", "DEFERRED") or "ip" in event.entry:
                yield event._replace(entry=self._as_today(event.entry))

    def _as_today(self, entry: Entry) -> Entry:
        """Return the entry as the receivers of the hour answer.

        Ordinarily nobody refuses for good: in the few messages of a short window one refusal is a large share.
        """
        if entry["action"] not in ("ACCEPTED", "REJECTED", "DEFERRED") or "ip" not in entry:
            return entry
        if self.yahoo_refuses and entry["mx"] in YAHOO:
            return _refused(entry, "blacklist", BLOCKED)
        if self.is_enforced and entry["ip"] == LISTED_ADDRESS and entry["mx"] in LIST_USERS:
            return _refused(entry, "blacklist", LISTED)
        if entry["action"] == "REJECTED":
            accepted = ACCEPTED[Family.POSTFIX].format(id=entry["id"])
            return {name: value for name, value in entry.items() if name != "category"} | {
                "action": "ACCEPTED",
                "response": accepted,
            }
        if entry["action"] == "DEFERRED":
            return entry | {"category": "greylist", "response": "450 4.2.0 Recipient address rejected: Greylisted"}
        return entry


def _refused(entry: Entry, category: str, reply: str) -> Entry:
    return entry | {"action": "REJECTED", "category": category, "response": reply.format(ip=entry["ip"])}


class Senders:
    """The plugins of the demo's hosts, which send `mail` from a thread of their own."""

    def __init__(self, url: str, token: str, mail: Mail) -> None:
        self._feed = Feed(url, token, mail, now_ms)  # type: ignore[arg-type]  # it calls `advance` only
        self._stop = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop them, also in the middle of a request that is not answered."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(60)

    def _run(self) -> None:
        self._loop.run_until_complete(self._feed.run(self._stop))
        self._loop.close()


class Logins:
    """Logins as WildDuck's GELF messages, once a second: two good ones, and an attack while `is_attacked` is set."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = Flag()
        self.is_attacked = False
        self._thread = Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(60)

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(1):
            messages = [_login(f"person{n}", "192.0.2.200", "success") for n in range(2)]
            if self.is_attacked:
                messages += [
                    _login(f"person{n % ACCOUNTS}", ATTACKER, "fail") for n in range(number, number + ATTACKS_A_SECOND)
                ]
                number += ATTACKS_A_SECOND
            try:
                send_frames(self._port, messages)
            except OSError:  # the collector is away
                continue


def _login(account: str, address: str, result: str) -> dict[str, object]:
    return {
        "version": "1.1",
        "host": "mail1.eu1.example",
        "short_message": "login",
        "timestamp": time.time(),
        "_component": "wildduck",
        "_auth_result": result,
        "_username": account,
        "_scope": "imap",
        "_ip": address,
    }


def now_ms() -> int:
    """Return the time as epoch milliseconds."""
    return time.time_ns() // 1_000_000
