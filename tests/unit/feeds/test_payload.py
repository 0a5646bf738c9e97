"""One GELF message: packed or not, JSON or not, never larger than a mebibyte."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.feeds.gelf.payload import MAX_BYTES, DecodedMessage, Result, read_message, read_packed
from tests.servers.gelf import PACKINGS

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGE = {"version": "1.1", "short_message": "ü", "_n": 5}


@pytest.mark.parametrize("pack", PACKINGS.values(), ids=PACKINGS)
def test_each_packing(pack: Callable[[bytes], bytes]) -> None:
    """Its first bytes tell which it is."""
    read = read_packed(pack(json.dumps(MESSAGE, ensure_ascii=False).encode()))
    assert isinstance(read, DecodedMessage)
    assert read.message == MESSAGE


@pytest.mark.parametrize("level", range(10))
def test_each_level_of_zlib(level: int) -> None:
    """They begin with different bytes."""
    assert isinstance(read_packed(zlib.compress(json.dumps(MESSAGE).encode(), level)), DecodedMessage)


@pytest.mark.parametrize("pack", PACKINGS.values(), ids=PACKINGS)
def test_a_mebibyte_is_the_most(pack: Callable[[bytes], bytes]) -> None:
    """After inflating; a byte more is too large."""
    most = b'"' + b"x" * (MAX_BYTES - 8) + b'"'
    assert isinstance(read_packed(pack(b'{"a":' + most + b"}")), DecodedMessage)
    assert read_packed(pack(b'{"a" :' + most + b"}")) is Result.TOO_LARGE


def test_a_bomb_is_not_inflated() -> None:
    """A datagram may hold a thousand times its size: no more of it than the bound is ever held."""
    bomb = zlib.compress(b" " * (60 << 20))
    assert len(bomb) < 65_507
    tracemalloc.start()
    assert read_packed(bomb) is Result.TOO_LARGE
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
    """No object, no JSON, or a packing that is broken or ends early."""
    assert read_packed(data) is Result.UNREADABLE


def test_over_tcp_nothing_is_packed() -> None:
    """The specification says so; a frame cannot hold more than its bytes."""
    assert read_message(gzip.compress(b"{}")) is Result.UNREADABLE


def test_text_cut_inside_a_character_is_read() -> None:
    """JavaScript cuts a subject between the halves of one; whoever stores it is told."""
    read = read_packed(b'{"_subject": "\\ud83d"}')
    assert isinstance(read, DecodedMessage)
    assert not read.is_clean


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x1f\x8b\x08", b"\x78\x9c", b'{"a":']), st.booleans())
def test_no_bytes_break_it(rest: bytes, head: bytes, is_packed: bool) -> None:
    """Whatever comes."""
    data = head + rest
    read = read_packed(zlib.compress(data) if is_packed else data)
    assert isinstance(read, (DecodedMessage, Result))
