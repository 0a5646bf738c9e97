"""What commits add to the windows: the bounded queue that the listener fills, and the messages between collectors."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from collector.events.model.recent import COUNTED, NewEvent, RecentCounts
from collector.live.windows import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collector.events.model.batch import WriteResult

MAX_ROWS: Final = 50_000
"""Rows in the queue: about 10 MB. Beyond, commits are left out, and the windows are rebuilt from the database."""

MESSAGE_BYTES: Final = 7_900
"""PostgreSQL takes less than 8,000 bytes in a NOTIFY."""

LOST: Final = ""
"""The message of a collector that has left commits out."""

_ACTIONS: Final = frozenset(COUNTED)


class Addition(NamedTuple):
    """What one transaction adds to the windows. `transaction` is its number in the database."""

    transaction: int
    recent: RecentCounts

    @property
    def rows(self) -> int:
        """The number of counts and events."""
        return len(self.recent.traffic) + len(self.recent.domains) + len(self.recent.newest)


class CommitQueue:
    """A listener of commits: a queue from the threads that commit to the thread that pushes. It never waits.

    `now` is epoch seconds.
    """

    def __init__(self, now: Callable[[], float], *, max_rows: int = MAX_ROWS) -> None:
        self._now, self._max_rows = now, max_rows
        self._lock = threading.Lock()
        self._changes: list[Addition] = []
        self._rows = 0
        self._has_lost = False

    def __call__(self, written: WriteResult) -> None:
        """Queue what a commit adds to the windows."""
        if written.transaction is None or not written.new_events:
            return
        change = Addition(written.transaction, _near(written.recent, int(self._now())))
        with self._lock:
            # The replaced row is in the windows: only the database knows them without it.
            self._has_lost |= bool(written.corrections.counts)
            if self._rows + change.rows > self._max_rows:
                self._has_lost = True
                return
            self._changes.append(change)
            self._rows += change.rows

    def take(self) -> tuple[list[Addition], bool]:
        """Return the queued changes, and whether something was left out since the last call."""
        with self._lock:
            taken, has_lost = self._changes, self._has_lost
            self._changes, self._rows, self._has_lost = [], 0, False
        return taken, has_lost


def _near(recent: RecentCounts, now: int) -> RecentCounts:
    """Return the part that lies in the windows: a journal that is caught up brings hours."""
    first = now - SECONDS
    return RecentCounts(
        Counter({key: count for key, count in recent.traffic.items() if key[0] > first}),
        Counter({key: count for key, count in recent.domains.items() if key[0] > first}),
        recent.newest,
    )


class _Part(msgspec.Struct, array_like=True):
    """A part of a change, as JSON between collectors of one version or another."""

    transaction: int
    traffic: list[tuple[int, str | None, str, int]] = []
    domains: list[tuple[int, str, str, int]] = []
    newest: list[NewEvent] = []

    def halves(self) -> Iterator[_Part]:
        """Yield two messages that together hold this one, neither empty; nothing if it has only one row."""
        parts: dict[str, list[Any]] = {"traffic": self.traffic, "domains": self.domains, "newest": self.newest}
        name, rows = max(parts.items(), key=lambda part: len(part[1]))
        if len(rows) > 1:
            yield _Part(self.transaction, **{name: rows[::2]})
            yield _Part(self.transaction, **{**parts, name: rows[1::2]})
        elif sum(map(len, parts.values())) > 1:
            yield _Part(self.transaction, **{name: rows})
            yield _Part(self.transaction, **{**parts, name: []})


def messages(change: Addition) -> Iterator[str]:
    """Yield a change as messages of at most `MESSAGE_BYTES`. A row that is too long for one is left out."""
    waiting = [
        _Part(
            change.transaction,
            [(*key, count) for key, count in change.recent.traffic.items()],
            [(*key, count) for key, count in change.recent.domains.items()],
            change.recent.newest,
        )
    ]
    while waiting:
        one = waiting.pop()
        encoded = msgspec.json.encode(one)
        if len(encoded) <= MESSAGE_BYTES:
            yield encoded.decode()
        else:
            waiting += one.halves()


def change_of(message: str) -> Addition | None:
    """Return the change of a message; None for `LOST`, and for a message of another program or a later version."""
    with contextlib.suppress(msgspec.DecodeError):
        one = msgspec.json.decode(message, type=_Part)
        if {action for _, _, action, _ in [*one.traffic, *one.domains]} <= _ACTIONS:
            traffic = Counter({(second, zone, action): count for second, zone, action, count in one.traffic})
            domains = Counter({(second, domain, action): count for second, domain, action, count in one.domains})
            return Addition(one.transaction, RecentCounts(traffic, domains, one.newest))
    return None
