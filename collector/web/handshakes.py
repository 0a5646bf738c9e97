"""Accepting TLS connections ourselves: asyncio tells nobody of a handshake that has begun, and a peer may begin thousands."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl

    from collector.web.protocol import Listener

PAUSE_SECONDS: Final = 1.0
"""How long nothing is accepted once no descriptor is left (asyncio's server does the same)."""


class SecureSocket:
    """Listens with TLS. Connections whose handshake goes on count towards the limit of the `listener` as those that it has."""

    def __init__(self, listener: Listener, context: ssl.SSLContext, *, handshake_seconds: float) -> None:
        self._listener, self._context, self._seconds = listener, context, handshake_seconds
        self._sockets: list[socket.socket] = []
        self._accepting: set[asyncio.Task[None]] = set()
        self._shaking: set[asyncio.Task[None]] = set()

    async def open(self, host: str, port: int, *, backlog: int) -> int:
        """Returns the bound port. Raises OSError when an address cannot be had."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, _, _, _, address in dict.fromkeys(found):
                self._sockets.append(socket.create_server(address[:2], family=family, backlog=backlog))
        except OSError:
            self.close()
            raise
        for one in self._sockets:
            one.settimeout(0)
            self._accepting.add(asyncio.create_task(self._accept(one)))
        bound: int = self._sockets[0].getsockname()[1]
        return bound

    def close(self) -> None:
        """Accepts nobody any more, and breaks off the handshakes under way."""
        for task in (*self._accepting, *self._shaking):
            task.cancel()
        for one in self._sockets:
            one.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                peer, _ = await loop.sock_accept(listening)
            except OSError:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if self._listener.has_room(len(self._shaking)):
                task = asyncio.create_task(self._shake_hands(peer))
                self._shaking.add(task)
                task.add_done_callback(self._shaking.discard)
            else:
                peer.close()

    async def _shake_hands(self, peer: socket.socket) -> None:
        with contextlib.suppress(OSError):  # TLS errors are some; a stranger's failure is nothing to log
            await asyncio.get_running_loop().connect_accepted_socket(
                self._listener, peer, ssl=self._context, ssl_handshake_timeout=self._seconds
            )
