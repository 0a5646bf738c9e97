"""GELF chunks are joined in any order, dropped when too many, too late or too large, and held within limits."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.feeds.gelf.chunks import MAGIC, MAX_WAITING, MAX_WAITING_BYTES, SECONDS, Chunks
from collector.feeds.gelf.payload import MAX_BYTES, MessageResult
from tests.servers.gelf import chunked

WHOLE = bytes(range(256)) * 40


class CountedChunks:
    """A chunk store, and its counts."""

    def __init__(self) -> None:
        self.counted = Counter[MessageResult]()
        self.chunks = Chunks(lambda result: self.counted.update([result]))

    def add(self, parts: list[bytes], now: float = 0, sender: str = "192.0.2.1") -> list[bytes]:
        return [whole for part in parts if (whole := self.chunks.add(sender, part, now)) is not None]


@given(st.permutations(range(8)), st.lists(st.integers(0, 7), max_size=8))
def test_any_order_and_repeated_chunks(order: list[int], repeated: list[int]) -> None:
    """Chunks in any order, also repeated, make one message when the last is there."""
    seen, parts = CountedChunks(), chunked(WHOLE, 1280)
    assert len(parts) == 8
    first = [parts[n] for n in order[:-1]]
    again = [parts[n] for n in repeated if n != order[-1]]
    assert seen.add(first + again) == []
    assert seen.add([parts[order[-1]]]) == [WHOLE]
    assert (seen.chunks.waiting, seen.counted) == ((0, 0), {})


def test_a_missing_chunk() -> None:
    """A message with a missing chunk is dropped after five seconds, and a later chunk begins a new one."""
    seen, parts = CountedChunks(), chunked(WHOLE, 1280)
    assert seen.add(parts[1:], now=100) == []
    seen.chunks.expire(100 + SECONDS - 0.001)
    assert seen.chunks.waiting[0] == 1
    assert seen.add(parts[:1], now=100 + SECONDS) == []
    assert seen.counted == {MessageResult.INCOMPLETE: 1}
    assert seen.chunks.waiting == (1, 1280)


def test_senders_have_ids_of_their_own() -> None:
    """Chunks of two senders with the same message id do not mix."""
    seen, mine, theirs = CountedChunks(), chunked(WHOLE, 1280, b"01234567"), chunked(WHOLE[::-1], 1280, b"01234567")
    assert seen.add(mine[:4], sender="192.0.2.1") == seen.add(theirs[4:], sender="192.0.2.2") == []
    assert seen.add(mine[4:], sender="192.0.2.1") == [WHOLE]
    assert seen.add(theirs[:4], sender="192.0.2.2") == [WHOLE[::-1]]


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"0123456",
        b"01234567",
        b"01234567\0",
        b"01234567\0\0",
        b"01234567\2\2",
        b"01234567\0\x81",
        b"01234567\xff\xff",
    ],
)
def test_what_is_no_chunk(head: bytes) -> None:
    """Invalid chunks (too short, count 0, number over the count, more than 128) are refused."""
    seen = CountedChunks()
    assert seen.add([MAGIC + head]) == []
    assert (seen.chunks.waiting, seen.counted) == ((0, 0), {MessageResult.UNREADABLE: 1})


def test_chunks_that_do_not_agree_on_their_number() -> None:
    """If chunks disagree on their count, the first one's counts."""
    seen, parts = CountedChunks(), chunked(WHOLE, 1280)
    wrong = parts[1][:11] + b"\x09" + parts[1][12:]
    assert seen.add([parts[0], wrong, *parts[1:]]) == [WHOLE]
    assert seen.counted == {MessageResult.UNREADABLE: 1}


def test_a_message_that_grows_too_large() -> None:
    """A message that grows too large is dropped and counted once, and its later chunks begin no new one."""
    seen, parts = CountedChunks(), chunked(b"x" * (MAX_BYTES + 50_000), 50_000)
    assert seen.add(parts + parts[:3]) == []
    assert seen.counted == {MessageResult.TOO_LARGE: 1}
    assert seen.chunks.waiting[1] == 0
    seen.chunks.expire(SECONDS)
    assert (seen.chunks.waiting, seen.counted) == ((0, 0), {MessageResult.TOO_LARGE: 1})


@pytest.mark.parametrize(("size", "messages"), [(0, MAX_WAITING * 2), (60_000, 2 * MAX_WAITING_BYTES // 60_000)])
def test_what_waits_is_bounded(size: int, messages: int) -> None:
    """Waiting chunks are limited in number and bytes; the oldest are dropped and counted."""
    seen = CountedChunks()
    for n in range(messages):
        seen.add([MAGIC + n.to_bytes(8, "big") + b"\0\2" + b"x" * size])
    waiting, held = seen.chunks.waiting
    assert waiting <= MAX_WAITING
    assert held <= MAX_WAITING_BYTES
    assert seen.counted == {MessageResult.INCOMPLETE: messages - waiting}


@given(st.lists(st.tuples(st.sampled_from("ab"), st.binary(max_size=30), st.floats(0, 3)), max_size=40))
@example([("a", b"", 1.7118592325807045), ("a", bytes(9) + b"\x02", 2.0)])  # (now + 5) - now is less than 5 there
def test_no_datagram_breaks_it(datagrams: list[tuple[str, bytes, float]]) -> None:
    """Any datagram after the magic bytes is handled, and at the end no chunk is held."""
    seen, now = CountedChunks(), 0.0
    for sender, rest, later in datagrams:
        now += later
        seen.add([MAGIC + rest], now, sender)
    seen.chunks.expire(now + SECONDS)
    assert seen.chunks.waiting == (0, 0)
