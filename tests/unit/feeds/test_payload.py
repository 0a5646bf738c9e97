"""One GELF message: compressed or not, valid or not, at most a mebibyte."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.feeds.gelf.payload import MAX_BYTES, DecodedMessage, MessageResult, read_message, read_packed
from tests.servers.gelf import PACKINGS

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGE = {"version": "1.1", "short_message": "ü", "_n": 5}


@pytest.mark.parametrize("pack", PACKINGS.values(), ids=PACKINGS)
def test_each_packing(pack: Callable[[bytes], bytes]) -> None:
    """Each compression is recognised by its first bytes."""
    read = read_packed(pack(json.dumps(MESSAGE, ensure_ascii=False).encode()))
    assert isinstance(read, DecodedMessage)
    assert read.message == MESSAGE


@pytest.mark.parametrize("level", range(10))
def test_each_level_of_zlib(level: int) -> None:
    """Each level of zlib, with its different first bytes, is recognised."""
    assert isinstance(read_packed(zlib.compress(json.dumps(MESSAGE).encode(), level)), DecodedMessage)


@pytest.mark.parametrize("pack", PACKINGS.values(), ids=PACKINGS)
def test_a_mebibyte_is_the_most(pack: Callable[[bytes], bytes]) -> None:
    """A message of a mebibyte after decompression is accepted, one byte more is not."""
    most = b'"' + b"x" * (MAX_BYTES - 8) + b'"'
    assert isinstance(read_packed(pack(b'{"a":' + most + b"}")), DecodedMessage)
    assert read_packed(pack(b'{"a" :' + most + b"}")) is MessageResult.TOO_LARGE


def test_a_bomb_is_not_inflated() -> None:
    """A bomb is decompressed only up to the limit."""
    bomb = zlib.compress(b" " * (60 << 20))
    assert len(bomb) < 65_507
    tracemalloc.start()
    assert read_packed(bomb) is MessageResult.TOO_LARGE
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held < 4 * MAX_BYTES


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"[]",
        b"5",
        b'"x"',
        b"null",
        b"{",
        b"[" * 10_000,
        gzip.compress(b"x", mtime=0),
        gzip.compress(b"{}", mtime=0)[:-9],
        zlib.compress(b"{}")[:-5],
        b"\x1f\x8b",
        b"\x78\x9c",
        b"\x1f\x8b{}",
    ],
)
def test_what_is_no_message(data: bytes) -> None:
    """A message that is no object, no JSON, or badly compressed is refused."""
    assert read_packed(data) is MessageResult.UNREADABLE


def test_over_tcp_nothing_is_packed() -> None:
    """Messages over TCP are not decompressed, as the specification says."""
    assert read_message(gzip.compress(b"{}")) is MessageResult.UNREADABLE


def test_text_cut_inside_a_character_is_read() -> None:
    """A text that JavaScript cut within a surrogate pair is read, and marked as not clean."""
    read = read_packed(b'{"_subject": "\\ud83d"}')
    assert isinstance(read, DecodedMessage)
    assert not read.is_clean


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x1f\x8b\x08", b"\x78\x9c", b'{"a":']), st.booleans())
def test_no_bytes_break_it(rest: bytes, head: bytes, is_packed: bool) -> None:
    """Any bytes give a message or a refusal."""
    data = head + rest
    read = read_packed(zlib.compress(data) if is_packed else data)
    assert isinstance(read, (DecodedMessage, MessageResult))
