"""A TCP proxy on loopback that can cut connections, stop forwarding, and withhold the reply to a COMMIT."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

CHUNK = 65536


class Proxy:
    """Forwards 127.0.0.1:`port` to 127.0.0.1:`target`, with one thread a direction."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._is_deaf = False
        self._ears: list[threading.Event] = []
        self._swallow = threading.Event()
        self._swallow_after: bytes | None = None
        self.swallowed = 0
        self._unheard: bytes | None = None
        self.silenced = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def point_at(self, target: int) -> None:
        """Connect new connections to another server, as an address moves in a failover."""
        self._target = target

    def go_deaf(self) -> None:
        """Stop forwarding in both directions. Connections stay open."""
        self._is_deaf = True
        self.go_deaf_to_those_there()

    def go_deaf_to_those_there(self) -> None:
        """Stop forwarding on the connections that are open now. New ones are served."""
        for hears in self._ears:
            hears.clear()

    def go_deaf_to(self, word: bytes) -> None:
        """Stop forwarding on each connection whose client sends this text. `silenced` counts them.
        Others are served.
        """
        self._unheard = word

    def hear_again(self) -> None:
        """Forward everything again."""
        self._is_deaf, self._unheard = False, None
        for hears in self._ears:
            hears.set()

    def swallow_next_commit_reply(self, after: bytes | None = None) -> None:
        """Forward the next COMMIT to the server, and cut its connection before the reply comes back.

        With `after`: the next COMMIT on a connection whose client has sent this text since its last COMMIT.
        """
        self._swallow_after = after
        self._swallow.set()

    def cut(self) -> None:
        """Cut every connection."""
        for pair in self._pairs:
            _end(*pair)
        self._pairs.clear()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except ConnectionRefusedError:
                    _end(client)
                    continue
                self._pairs.append((client, server))
                is_committing, hears = threading.Event(), threading.Event()
                if not self._is_deaf:
                    hears.set()
                self._ears.append(hears)
                for source, drain, outward in ((client, server, True), (server, client, False)):
                    threading.Thread(
                        target=self._pump, args=(source, drain, outward, is_committing, hears), daemon=True
                    ).start()

    def _pump(
        self,
        source: socket.socket,
        drain: socket.socket,
        outward: bool,
        is_committing: threading.Event,
        hears: threading.Event,
    ) -> None:
        said = b""
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                said += data if outward else b""
                if outward and hears.is_set() and self._unheard is not None and self._unheard in data:
                    hears.clear()
                    self.silenced += 1
                hears.wait()
                if outward and b"COMMIT" in data:
                    if self._swallow.is_set() and (self._swallow_after is None or self._swallow_after in said):
                        # Cleared at once: the row is visible before the reply comes, and the test may ask for the next.
                        self._swallow.clear()
                        is_committing.set()
                    said = b""
                elif not outward and is_committing.is_set():
                    # The server has replied, so it has committed.
                    self.swallowed += 1
                    break
                drain.sendall(data)
        _end(source, drain)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self.hear_again()
        self.cut()


def _end(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
