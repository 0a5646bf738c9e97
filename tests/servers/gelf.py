"""A GELF sender, like those of libraries and relays: plain, compressed, in chunks, over UDP and TCP."""

from __future__ import annotations

import gzip
import json
import os
import socket
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PACKINGS: dict[str, Callable[[bytes], bytes]] = {"plain": bytes, "gzip": gzip.compress, "zlib": zlib.compress}


def chunked(message: bytes, size: int, name: bytes | None = None) -> list[bytes]:
    """Return the chunks of a message, each with `size` bytes of it."""
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    assert len(parts) <= 128
    head = b"\x1e\x0f" + (name or os.urandom(8))
    return [head + bytes([number, len(parts)]) + part for number, part in enumerate(parts)]


def send_datagrams(port: int, datagrams: Sequence[bytes]) -> None:
    """Send datagrams over UDP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        for datagram in datagrams:
            line.sendto(datagram, ("127.0.0.1", port))


def send_frames(port: int, messages: Sequence[dict[str, Any]]) -> None:
    """Send messages over one TCP connection, each ended by NUL. Return when the server has read all of them."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        for message in messages:
            line.sendall(json.dumps(message).encode() + b"\0")
        line.shutdown(socket.SHUT_WR)
        while line.recv(4096):
            pass
