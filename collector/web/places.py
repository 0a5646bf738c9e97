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


class OpenConnection(Protocol):
    """A connection, from its acceptance on.

    `kind` belongs to `ConnectionPlaces`: the dict that holds the connection; None at first.
    """

    kind: dict[OpenConnection, float] | None

    def abort(self) -> None:
        """Close the connection at once."""


class ConnectionPlaces:
    """Places for at most `most` connections.

    `on_closed` is called with `displaced` when a connection makes room for another, and with `refused` when no place is
    free.

    The first to make room are clients that have sent no request yet, then clients that were answered and are silent,
    then clients that are slow to send a body or read an answer, and last clients whose events were accepted, while
    these have more than half of the places: a stranger does not take a sender's place. A connection whose request is
    under way stays.
    """

    def __init__(self, most: int, on_closed: Callable[[str], None]) -> None:
        self.most = self._allowed = most
        self._on_closed = on_closed
        self._clock = asyncio.get_running_loop().time
        self._all: set[OpenConnection] = set()
        # Each dict keeps the order in which connections entered it, and the time.
        self._new: dict[OpenConnection, float] = {}
        self._idle: dict[OpenConnection, float] = {}
        self._slow: dict[OpenConnection, float] = {}
        self._senders: dict[OpenConnection, float] = {}

    def __len__(self) -> int:
        return len(self._all)

    def take(self, connection: OpenConnection) -> bool:
        """Give the connection a place, if necessary that of another. Return False when all others are busy."""
        while len(self._all) >= self._allowed:
            if (longest := next(self._displaceable(), None)) is None:
                self._on_closed("refused")
                return False
            self._displace(longest)
        self._all.add(connection)
        self._move(connection, self._new)
        return True

    def leave(self, connection: OpenConnection) -> None:
        """Free the place of a connection that has ended. A second call does nothing."""
        self._all.discard(connection)
        self.works(connection)

    def works(self, connection: OpenConnection) -> None:
        """Note that a request of the connection is under way: the client waits for the server."""
        if connection.kind is not None:
            del connection.kind[connection]
            connection.kind = None

    def idles(self, connection: OpenConnection, *, is_sender: bool) -> None:
        """Note that the client was answered. `is_sender` is True if the collector has accepted events of it."""
        self._move(connection, self._senders if is_sender else self._idle)

    def waits(self, connection: OpenConnection) -> None:
        """Note that the server waits for the client to send its body, or to read its answer."""
        self._move(connection, self._slow)

    def make_room(self) -> None:
        """Close an eighth of the connections when descriptors are short. Until `restore`, no more than the rest may
        be open.
        """
        some = max(1, len(self._all) // 8)
        for connection in list(islice(self._displaceable(), some)):
            self._displace(connection)
        self._allowed = max(1, min(self._allowed, len(self._all)))

    def restore(self) -> None:
        """Allow the full number of connections again."""
        self._allowed = self.most

    def _displaceable(self) -> Iterator[OpenConnection]:
        before = self._clock() - GRACE_SECONDS
        # A flood of strangers who were all answered within the last second finds no place rather than a sender's.
        senders = self._senders.items() if len(self._senders) > self._allowed // 2 else ()
        later = chain(self._idle.items(), self._slow.items(), senders)
        return chain(self._new, (connection for connection, since in later if since <= before))

    def _displace(self, connection: OpenConnection) -> None:
        self.leave(connection)
        self._on_closed("displaced")
        connection.abort()

    def _move(self, connection: OpenConnection, kind: dict[OpenConnection, float]) -> None:
        if connection.kind is not None:
            del connection.kind[connection]
            connection.kind = None
        if connection in self._all:
            kind[connection] = self._clock()
            connection.kind = kind
