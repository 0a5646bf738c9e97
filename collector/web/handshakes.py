"""Accept connections, plain and TLS, without asyncio's server: it does not report handshakes that have begun,
and a peer may begin thousands.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Final

from duckwatch.base.listening import open_sockets
from duckwatch.base.resources import shortage_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from collector.web.protocol import Connection, Listener
    from duckwatch.base.config.addresses import Endpoint, Endpoints

ACCEPTED_A_TURN: Final = 16
"""Connections accepted in one turn of the loop. A closed connection keeps its descriptor until the next turn, so a
larger number could exceed the limit of open files.
"""

PAUSE_SECONDS: Final = 1.0
"""How long a socket accepts nothing after the machine had no descriptor left (asyncio's server does the same)."""


class ListeningSockets:
    """The listening sockets. `on_shortage` is called with the name of the resource that a new connection lacks.

    With a TLS `context`, a connection holds a place from the start of its handshake.
    """

    def __init__(
        self,
        listener: Listener,
        context: ssl.SSLContext | None,
        *,
        handshake_seconds: float,
        on_shortage: Callable[[str], None],
    ) -> None:
        self._listener, self._context, self._seconds = listener, context, handshake_seconds
        self._on_shortage = on_shortage
        self._sockets: list[socket.socket] = []
        self._shaking: set[asyncio.Task[None]] = set()

    def open(self, listen: Endpoint | Endpoints, *, backlog: int) -> list[int]:
        """Listen, and return the bound ports. Raise OSError when an address cannot be bound."""
        self._sockets = open_sockets(listen, socket.SOCK_STREAM)
        try:
            for one in self._sockets:
                one.listen(backlog)
        except OSError:
            self.close()
            raise
        for one in self._sockets:
            self._listen_on(one)
        return [one.getsockname()[1] for one in self._sockets]

    def close(self) -> None:
        """Stop accepting, and cancel the handshakes under way."""
        if self._context is not None:
            for task in self._shaking:
                task.cancel()
        for one in self._sockets:
            asyncio.get_running_loop().remove_reader(one)
            one.close()
        self._sockets = []

    def _listen_on(self, listening: socket.socket) -> None:
        if listening.fileno() >= 0:  # it may have been closed during a pause
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTED_A_TURN):
            try:
                peer, _ = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if (word := shortage_of(error)) is None:
                    continue  # this client has disconnected already (errors of accept(2)); the next may be good
                self._on_shortage(word)
                loop = asyncio.get_running_loop()
                loop.remove_reader(listening)
                loop.call_later(PAUSE_SECONDS, self._listen_on, listening)
                return
            self._admit(peer)

    def _admit(self, peer: socket.socket) -> None:
        peer.settimeout(0)
        connection = self._listener()
        if connection is None:
            peer.close()
            return
        task = asyncio.get_running_loop().create_task(self._receive(peer, connection))
        self._shaking.add(task)
        task.add_done_callback(self._shaking.discard)

    async def _receive(self, peer: socket.socket, connection: Connection) -> None:
        if connection.is_given_up:
            peer.close()  # from now on the transport closes it
            return
        if self._context is not None:
            connection.shaking = asyncio.current_task()
        try:
            with contextlib.suppress(OSError):  # `ssl.SSLError` too: a failed handshake of a stranger is not logged
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: connection,
                    peer,
                    ssl=self._context,
                    ssl_handshake_timeout=None if self._context is None else self._seconds,
                )
        finally:
            connection.arrived()
