"""GELF chunks: joins the datagrams of one message, within five seconds and bounded memory. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collector.feeds.gelf.payload import MAX_BYTES, MessageResult

if TYPE_CHECKING:
    from collections.abc import Callable

MAGIC: Final = b"\x1e\x0f"
HEAD_BYTES: Final = 12
"""The magic, 8 bytes of message id, the number of this chunk, the count of chunks."""

MAX_CHUNKS: Final = 128
SECONDS: Final = 5.0
"""Limits of the GELF specification: a message with more chunks, or that takes longer, is dropped whole."""

MAX_WAITING: Final = 4096
MAX_WAITING_BYTES: Final = 16 << 20
"""Limits for all incomplete messages together. Above either limit, the oldest message is dropped."""


class _Message:
    """One incomplete message. `parts` is None once it is known to be too large."""

    __slots__ = ("began", "count", "parts", "size")

    def __init__(self, count: int, began: float) -> None:
        self.began, self.count, self.size = began, count, 0
        self.parts: dict[int, bytes] | None = {}


class Chunks:
    """The incomplete messages. `count` is called with the result of each message that is dropped."""

    def __init__(self, count: Callable[[MessageResult], None]) -> None:
        self._count = count
        self._messages: dict[tuple[str, bytes], _Message] = {}  # in the order in which they began
        self._bytes = 0

    @property
    def waiting(self) -> tuple[int, int]:
        """The number of incomplete messages, and their bytes."""
        return len(self._messages), self._bytes

    def add(self, sender: str, datagram: bytes, now: float) -> bytes | None:
        """Add a chunk that came at `now` (monotonic seconds). Return the message that it completes, or None."""
        self.expire(now)
        number, count = datagram[10:HEAD_BYTES] if len(datagram) >= HEAD_BYTES else (0, 0)
        # Each sender chooses its own ids, so an id alone is not unique.
        key = sender, datagram[2:10]
        message = self._messages.get(key)
        if message is None and number < count <= MAX_CHUNKS:
            message = self._messages[key] = _Message(count, now)
        if message is None or message.count != count or number >= count:
            self._count(MessageResult.UNREADABLE)
            return None
        return self._placed(key, message, number, datagram[HEAD_BYTES:])

    def expire(self, now: float) -> None:
        """Drop the messages that have been incomplete for too long."""
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
            self._count(MessageResult.TOO_LARGE)
            self._bytes -= message.size
            # The message stays until it expires, so that its later chunks do not begin a new one.
            message.size, message.parts = 0, None
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
            self._count(MessageResult.INCOMPLETE)

    def _forget(self, key: tuple[str, bytes]) -> _Message:
        message = self._messages.pop(key)
        self._bytes -= message.size
        return message
