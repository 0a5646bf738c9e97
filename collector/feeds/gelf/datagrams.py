"""GELF over UDP: empties the sockets in turns; the messages of one turn form one submission."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import sys
from time import monotonic
from typing import TYPE_CHECKING, Final

from collector.feeds.gelf.chunks import MAGIC, Chunks
from collector.feeds.gelf.payload import MessageResult, read_packed
from duckwatch.base.listening import open_sockets

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.feeds.gelf.inbox import Inbox, MessageCounter
    from duckwatch.base.config.addresses import Endpoint, Endpoints

BUFFER_BYTES: Final = 16 << 20
"""The kernel's buffer for datagrams while the loop is busy. Without root, net.core.rmem_max limits it."""

LITTLE_BUFFER_BYTES: Final = 1 << 20
MAX_DATAGRAM_BYTES: Final = 65_535
TURN_SECONDS: Final = 0.01
"""The longest turn, so that HTTP requests are answered in between."""

LAST_TURN_SECONDS: Final = 1.0
EXPIRY_SECONDS: Final = 1.0

_SO_RCVBUFFORCE: Final = 33
_SO_MEMINFO: Final = 55
_MEMINFO: Final = struct.Struct("9I")
"""Linux, asm-generic/socket.h and sock_diag.h: the ninth number counts the datagrams that found the buffer full."""

_log = logging.getLogger(__name__)


class Datagrams:
    """The UDP input. `admits` returns True for an address that may send."""

    def __init__(
        self, listen: Endpoint | Endpoints, *, admits: Callable[[str], bool], inbox: Inbox, tally: MessageCounter
    ) -> None:
        self._listen, self._admits, self._inbox, self._tally = listen, admits, inbox, tally
        self._chunks = Chunks(tally)
        self._buffer = memoryview(bytearray(MAX_DATAGRAM_BYTES))
        self._sockets: list[socket.socket] = []
        self._ticking: asyncio.TimerHandle | None = None
        self._overruns: dict[socket.socket, int] = {}

    def open(self) -> int:
        """Listen, and return the first bound port. Raise OSError when an address cannot be bound."""
        self._sockets = open_sockets(self._listen, socket.SOCK_DGRAM)
        for one in self._sockets:
            _enlarge(one)
            asyncio.get_running_loop().add_reader(one, self._drain, one)
        self._tick()
        port: int = self._sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        """Read the datagrams that have arrived, and close the sockets."""
        if self._ticking is not None:
            self._ticking.cancel()
        for one in self._sockets:
            asyncio.get_running_loop().remove_reader(one)
            self._drain(one, LAST_TURN_SECONDS)
            one.close()
        self._sockets = []

    def _drain(self, source: socket.socket, seconds: float = TURN_SECONDS) -> None:
        until = monotonic() + seconds
        buffer = self._buffer
        while (now := monotonic()) < until:
            try:
                size, address = source.recvfrom_into(buffer)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                # An ICMP error about an earlier datagram; the next one may be good.
                continue
            if self._admits(address[0]):
                self._take(address[0], bytes(buffer[:size]), now)
            else:
                self._tally(MessageResult.REFUSED_ADDRESS)
        self._count_overruns(source)

    def _take(self, sender: str, datagram: bytes, now: float) -> None:
        message: bytes | None = datagram
        if datagram.startswith(MAGIC):
            message = self._chunks.add(sender, datagram, now)
        if message is not None:
            self._inbox.put(read_packed(message))

    def _count_overruns(self, source: socket.socket) -> None:
        if sys.platform != "linux":
            return
        with contextlib.suppress(OSError, struct.error):  # before Linux 4.12
            *_, overruns = _MEMINFO.unpack(source.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))
            if more := (overruns - self._overruns.get(source, 0)) & 0xFFFF_FFFF:
                self._tally(MessageResult.OVERRUN, more)
            self._overruns[source] = overruns

    def _tick(self) -> None:
        self._chunks.expire(monotonic())
        self._ticking = asyncio.get_running_loop().call_later(EXPIRY_SECONDS, self._tick)


def _enlarge(made: socket.socket) -> None:
    try:
        made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER_BYTES)
    except OSError:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    given = made.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    if given < LITTLE_BUFFER_BYTES:
        _log.warning(
            "the kernel's buffer for datagrams is small: raise net.core.rmem_max", extra={"fields": {"bytes": given}}
        )
