"""GELF's chunks: datagrams that are parts of one message, put together within five seconds and bounded memory. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collector.feeds.gelf.payload import MAX_BYTES, Result

if TYPE_CHECKING:
    from collections.abc import Callable

MAGIC: Final = b"\x1e\x0f"
HEAD_BYTES: Final = 12
"""The magic, 8 bytes of the message's id, the chunk's number, how many there are."""

MAX_CHUNKS: Final = 128
SECONDS: Final = 5.0
"""Both of the specification: a message whose chunks are more, or take longer, is dropped whole."""

MAX_WAITING: Final = 4096
MAX_WAITING_BYTES: Final = 16 << 20
"""Of all messages that are not whole yet; past either the oldest goes."""


class _Message:
    """One message in the making. `parts` is None once it is known to be too large."""

    __slots__ = ("began", "count", "parts", "size")

    def __init__(self, count: int, began: float) -> None:
        self.began, self.count, self.size = began, count, 0
        self.parts: dict[int, bytes] | None = {}


class Chunks:
    """Messages in the making. `count` is told of those that come to nothing."""

    def __init__(self, count: Callable[[Result], None]) -> None:
        self._count = count
        self._messages: dict[tuple[str, bytes], _Message] = {}  # in the order in which they began
        self._bytes = 0

    @property
    def waiting(self) -> tuple[int, int]:
        """Messages that are not whole, and their bytes."""
        return len(self._messages), self._bytes

    def add(self, sender: str, datagram: bytes, now: float) -> bytes | None:
        """Take a chunk that came at `now` (seconds); return the message that it completes."""
        self.expire(now)
        number, count = datagram[10:HEAD_BYTES] if len(datagram) >= HEAD_BYTES else (0, 0)
        # Ids are made up by the senders, each for itself.
        key = sender, datagram[2:10]
        message = self._messages.get(key)
        if message is None and number < count <= MAX_CHUNKS:
            message = self._messages[key] = _Message(count, now)
        if message is None or message.count != count or number >= count:
            self._count(Result.UNREADABLE)
            return None
        return self._placed(key, message, number, datagram[HEAD_BYTES:])

    def expire(self, now: float) -> None:
        """Drop what has waited too long."""
        while self._messages:
            key, oldest = next(iter(self._messages.items()))
            if now < oldest.began + SECONDS:
                return
            self._drop(key)

    def _placed(self, key: tuple[str, bytes], message: _Message, number: int, part: bytes) -> bytes | None:
        parts = message.parts
        if parts is None or number in parts:
            return None
        parts[number] = part
        message.size += len(part)
        self._bytes += len(part)
        if message.size > MAX_BYTES:
            self._count(Result.TOO_LARGE)
            self._bytes -= message.size
            message.size, message.parts = (
                0,
                None,
            )  # stays until its time is over, so that its other chunks begin no new one
            return None
        if len(parts) == message.count:
            self._forget(key)
            return b"".join([parts[place] for place in range(message.count)])
        self._make_room()
        return None

    def _make_room(self) -> None:
        while len(self._messages) > MAX_WAITING or self._bytes > MAX_WAITING_BYTES:
            self._drop(next(iter(self._messages)))

    def _drop(self, key: tuple[str, bytes]) -> None:
        if self._forget(key).parts is not None:
            self._count(Result.INCOMPLETE)

    def _forget(self, key: tuple[str, bytes]) -> _Message:
        message = self._messages.pop(key)
        self._bytes -= message.size
        return message
