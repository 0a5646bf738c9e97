"""Name servers that answer with prepared bytes after a latency.

They run in a process of their own, so that the measurement is the exporter's.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_NXDOMAIN = 0x8183
_NOERROR = 0x8180
_SOA_AFTER_OWNER = bytes.fromhex("000600010000003c")
_SOA_NUMBERS = bytes.fromhex("000000010000000200000003000000040000003c")
_A = bytes.fromhex("c00c000100010000003c00047f000002")
_LISTED_FIRST_LABELS = {str(number).encode() for number in range(0, 256, 20)}


def reply(query: bytes, dead: bytes | None) -> bytes | None:
    """Return the answer to a query, None for the dead list.

    Test points are answered as RFC 5782 requires. One name in twenty is listed, the others get an SOA.
    """
    end = query.index(b"\0", 12) + 5
    question = query[12:end]
    name = question.lower()
    if dead is not None and dead in name:
        return None
    listed = _is_listed(name) and question[-4:-2] == b"\0\1"
    counts = b"\0\1" + (b"\0\1\0\0" if listed else b"\0\0\0\1") + b"\0\0"
    flags = _NOERROR if listed or _is_listed(name) else _NXDOMAIN
    return query[:2] + flags.to_bytes(2) + counts + question + (_A if listed else _soa(query))


def _soa(query: bytes) -> bytes:
    """Return the SOA of the zone, the last two labels of the name, with compression pointers as rbldnsd writes it."""
    starts, at = [], 12
    while query[at]:
        starts.append(at)
        at += 1 + query[at]
    zone = (0xC000 | starts[-2]).to_bytes(2)
    data = b"\x02ns" + zone + b"\x01h" + zone + _SOA_NUMBERS
    return zone + _SOA_AFTER_OWNER + len(data).to_bytes(2) + data


def _is_listed(name: bytes) -> bool:
    first = name[1 : 1 + name[0]]
    if name.startswith((b"\x012\x010\x010\x03127", b"\x012\x010\x010\x010\x010\x010\x01f\x017")):
        return True
    if name.startswith((b"\x011\x010\x010\x03127", b"\x011\x010\x010\x010\x010\x010\x01f\x017")):
        return False
    return first in _LISTED_FIRST_LABELS if name[0] > 1 or first.isdigit() else False


def _serve(pipe: Connection, latency: float, dead: bytes | None) -> None:
    endpoint = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    endpoint.bind(("127.0.0.1", 0))
    endpoint.settimeout(0)

    async def run() -> None:
        loop = asyncio.get_running_loop()

        def drain() -> None:
            with contextlib.suppress(BlockingIOError):
                while True:
                    query, sender = endpoint.recvfrom(4096)
                    answer = reply(query, dead)
                    if answer is not None and latency:
                        loop.call_later(latency, endpoint.sendto, answer, sender)
                    elif answer is not None:
                        endpoint.sendto(answer, sender)

        loop.add_reader(endpoint, drain)
        pipe.send(endpoint.getsockname()[1])
        await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())


class Server:
    """A server on `port` of 127.0.0.1. It answers after `latency` seconds, and never for names that contain `dead`."""

    def __init__(self, latency: float = 0.0, dead: bytes | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, latency, dead), daemon=True)
        self._process.start()
        self.port: int = ours.recv()

    def stop(self) -> None:
        """Stop the process."""
        self._process.kill()
        self._process.join()
