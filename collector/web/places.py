"""The limit of open connections. At the limit, a new connection replaces the one that the server has waited for
longest.
"""

from __future__ import annotations

import asyncio
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GRACE_SECONDS: Final = 1.0
"""How long a client is safe after it was answered or began to send a body."""


class Guest(Protocol):
    """A connection, from its acceptance on.

    `kind` belongs to `Places`: the dict that holds the guest; None at first.
    """

    kind: dict[Guest, float] | None

    def abort(self) -> None:
        """Close the connection at once."""


class Places:
    """Places for at most `most` guests. `on_closed` is called with `displaced` when a guest makes room for another,
    and with `refused` when no place is free.

    The first to make room are clients that have sent no request yet, then clients that were answered and are silent,
    then clients that are slow to send a body or read an answer, and last clients whose events were accepted: a
    stranger does not take a sender's place. A guest whose request is under way stays.
    """

    def __init__(self, most: int, on_closed: Callable[[str], None]) -> None:
        self.most = self._allowed = most
        self._on_closed = on_closed
        self._clock = asyncio.get_running_loop().time
        self._all: set[Guest] = set()
        # Each dict keeps the order in which guests entered it, and the time.
        self._new: dict[Guest, float] = {}
        self._idle: dict[Guest, float] = {}
        self._slow: dict[Guest, float] = {}
        self._senders: dict[Guest, float] = {}

    def __len__(self) -> int:
        return len(self._all)

    def take(self, guest: Guest) -> bool:
        """Give the guest a place, if necessary another guest's. Return False when all others are busy."""
        while len(self._all) >= self._allowed:
            if (longest := next(self._displaceable(), None)) is None:
                self._on_closed("refused")
                return False
            self._displace(longest)
        self._all.add(guest)
        self._move(guest, self._new)
        return True

    def leave(self, guest: Guest) -> None:
        """Free the place of a guest that has disconnected. A second call does nothing."""
        self._all.discard(guest)
        self.works(guest)

    def works(self, guest: Guest) -> None:
        """Note that a request of the guest is under way: the guest waits for the server."""
        if guest.kind is not None:
            del guest.kind[guest]
            guest.kind = None

    def idles(self, guest: Guest, *, is_sender: bool) -> None:
        """Note that the guest was answered. `is_sender` is True if the collector has accepted events of it."""
        self._move(guest, self._senders if is_sender else self._idle)

    def waits(self, guest: Guest) -> None:
        """Note that the server waits for the guest to send its body, or to read its answer."""
        self._move(guest, self._slow)

    def make_room(self) -> None:
        """Close an eighth of the connections when descriptors are short. Until `restore`, no more than the rest may
        be open.
        """
        some = max(1, len(self._all) // 8)
        for guest in list(islice(self._displaceable(), some)):
            self._displace(guest)
        self._allowed = max(1, min(self._allowed, len(self._all)))

    def restore(self) -> None:
        """Allow the full number of connections again."""
        self._allowed = self.most

    def _displaceable(self) -> Iterator[Guest]:
        before = self._clock() - GRACE_SECONDS
        later = chain(self._idle.items(), self._slow.items(), self._senders.items())
        return chain(self._new, (guest for guest, since in later if since <= before))

    def _displace(self, guest: Guest) -> None:
        self.leave(guest)
        self._on_closed("displaced")
        guest.abort()

    def _move(self, guest: Guest, kind: dict[Guest, float]) -> None:
        if guest.kind is not None:
            del guest.kind[guest]
            guest.kind = None
        if guest in self._all:
            kind[guest] = self._clock()
            guest.kind = kind
