"""Bodies: sizes, encodings, pieces, and bombs."""

from __future__ import annotations

import contextlib
import gzip
import json
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import OverloadedError, RequestError, TooLargeError, UnreadableError
from collector.web.body import MAX_GZIP_MEMBERS, inflate
from collector.web.limits import Inflight
from tests.unit.web.conftest import BEARER, event, events, until
from tests.unit.web.wire import ask, connect, head, post

if TYPE_CHECKING:
    from tests.unit.web.conftest import ServerStarter

SMALL = {"body_bytes": "64KiB", "inflight_bytes": "128KiB"}
PATH = "POST /api/events/ingest"
CHUNKED = "Transfer-Encoding: chunked"


def chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


async def test_a_body_that_comes_in_pieces_is_one_body(serve: ServerStarter) -> None:
    """A body that arrives byte by byte, with a length or in chunks, is one body."""
    body = events(3)
    async with serve() as served, connect(served.port) as line:
        for byte in post(body, BEARER):
            await line.send(bytes([byte]))
        assert (await line.receive()).json["accepted"] == 3
        await line.send(head(PATH, BEARER, CHUNKED) + chunks(*(bytes([byte]) for byte in body)))
        assert (await line.receive()).json["accepted"] == 3
        await line.send(head(PATH, BEARER, CHUNKED) + chunks(body))
        assert (await line.receive()).json["accepted"] == 3


async def test_an_announced_length_over_the_limit_is_413_at_once(serve: ServerStarter) -> None:
    """An announced length over the limit is 413 before a byte is read."""
    async with serve(limits=SMALL) as served:
        for length in (64 * 1024 + 1, 100_000_000, 2**62):
            assert (await ask(served.port, head(PATH, BEARER, f"Content-Length: {length}"))).status == 413


async def test_the_largest_body_that_fits_is_taken(serve: ServerStarter) -> None:
    """A body as large as the limit is accepted."""
    body = json.dumps([event()]).encode()
    body += b" " * (64 * 1024 - len(body))
    async with serve(limits=SMALL) as served:
        assert (await ask(served.port, post(body, BEARER))).status == 202
        assert (await ask(served.port, post(body + b" ", BEARER))).status == 413


async def test_a_stream_without_a_length_is_413_when_it_grows_too_large(serve: ServerStarter) -> None:
    """A stream without a length is 413 as soon as it passes the limit."""
    async with serve(limits=SMALL) as served, connect(served.port) as line:
        await line.send(head(PATH, BEARER, CHUNKED))
        await line.send(chunks(b" " * 70_000)[:-5])
        assert (await line.receive()).status == 413


async def test_after_a_refused_body_the_answer_is_still_read(serve: ServerStarter) -> None:
    """The rest of a refused body is discarded, so that the client reads the answer and gets no reset."""
    async with serve(limits=SMALL) as served, connect(served.port) as line:
        await line.send(post(b" " * 2_000_000, BEARER))
        assert (await line.receive()).status == 413
        assert (await line.ask(post(events(), BEARER))).status == 202


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", " gzip "])
async def test_gzip_is_inflated(serve: ServerStarter, encoding: str) -> None:
    """A gzip body is decompressed, also with the encoding's old name."""
    async with serve() as served:
        reply = await ask(served.port, post(gzip.compress(events(7)), BEARER, f"Content-Encoding: {encoding}"))
        assert reply.json["accepted"] == 7


@pytest.mark.parametrize("encoding", ["deflate", "br", "zstd", "gzip, gzip", "nonsense"])
async def test_other_encodings_are_415(serve: ServerStarter, encoding: str) -> None:
    """Other encodings are 415, and the answer names the one that is taken (RFC 9110, 12.5.3)."""
    async with serve() as served:
        reply = await ask(served.port, post(events(), BEARER, f"Content-Encoding: {encoding}"))
        assert (reply.status, reply.headers["accept-encoding"]) == (415, "gzip")


async def test_encodings_in_two_lines_are_one_list(serve: ServerStarter) -> None:
    """A proxy that compresses may add a line of its own (RFC 9110, 5.3)."""
    async with serve() as served:
        data = post(gzip.compress(events()), BEARER, "Content-Encoding: identity", "Content-Encoding: gzip")
        assert (await ask(served.port, data)).status == 202


@pytest.mark.parametrize("encoding", ["identity", ""])
async def test_identity_is_no_encoding(serve: ServerStarter, encoding: str) -> None:
    """`identity` is no encoding (RFC 9110)."""
    async with serve() as served:
        assert (await ask(served.port, post(events(), BEARER, f"Content-Encoding: {encoding}"))).status == 202


async def test_what_only_claims_to_be_gzip_is_400(serve: ServerStarter) -> None:
    """A body that is no valid gzip (JSON, empty, cut, wrong checksum) is 400."""
    packed = gzip.compress(events(50))
    bad = [events(), b"", packed[:-1], packed[:20], packed[:-8] + b"\0" * 8]
    async with serve() as served:
        for body in bad:
            assert (await ask(served.port, post(body, BEARER, "Content-Encoding: gzip"))).status == 400
    assert not served.submitted


async def test_a_gzip_bomb_is_413(serve: ServerStarter) -> None:
    """A gzip bomb of ten gigabytes is 413 as soon as it passes the limit."""
    bomb = gzip.compress(b" " * 50_000_000)
    async with serve(limits=SMALL) as served:
        assert (await ask(served.port, post(bomb, BEARER, "Content-Encoding: gzip"))).status == 413


def test_inflating_a_bomb_holds_no_more_than_the_limit() -> None:
    """Decompressing a bomb uses no more memory than the limit."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b"\0" * (1 << 20)) for _ in range(200)) + packer.flush()
    inflight = Inflight(1 << 30)
    tracemalloc.start()
    with pytest.raises(TooLargeError):
        inflate(bomb, 1 << 20, inflight.lease())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_what_gzip_holds_counts_as_bytes_in_flight() -> None:
    """The decompressed size counts as bytes in flight."""
    inflight = Inflight(1000)
    with pytest.raises(OverloadedError):
        inflate(gzip.compress(b" " * 5000), 1 << 20, inflight.lease())


def test_gzip_in_several_members_is_joined_up_to_a_bound() -> None:
    """Several gzip members are joined (RFC 1952, 2.2), up to a limit, because each costs work."""
    lease = Inflight(1 << 20).lease()
    assert inflate(gzip.compress(b"a") + gzip.compress(b"") + gzip.compress(b"b"), 10, lease) == b"ab"
    with pytest.raises(UnreadableError):
        inflate(gzip.compress(b"") * (MAX_GZIP_MEMBERS + 1), 10, lease)


@given(st.binary(max_size=2000), st.integers(0, 4000))
def test_inflating_returns_or_refuses(data: bytes, limit: int) -> None:
    """Decompressing any bytes gives a body within the limit or a request error."""
    lease = Inflight(3000).lease()
    with contextlib.suppress(RequestError):
        assert len(inflate(data, limit, lease)) <= limit


@given(st.binary(max_size=2000), st.integers(1, 60), st.integers(0, 255))
def test_a_damaged_file_is_refused_or_whole(data: bytes, at: int, byte: int) -> None:
    """A damaged gzip file is refused or gives the same content, because of its checksum."""
    packed = bytearray(gzip.compress(data, mtime=0))
    packed[min(at, len(packed) - 1)] ^= byte
    with contextlib.suppress(RequestError):
        assert inflate(bytes(packed), 4000, Inflight(1 << 20).lease()) == data


async def test_a_large_body_is_asked_for_only_when_it_would_be_taken(serve: ServerStarter) -> None:
    """With `Expect: 100-continue` a large body is requested only when it would be accepted."""
    body = events(20)
    async with serve(limits=SMALL) as served, connect(served.port) as line:
        await line.send(head(PATH, BEARER, f"Content-Length: {len(body)}", "Expect: 100-continue"))
        assert (await line.receive(has_body=False)).status == 100
        reply = await line.ask(body)
        assert reply.json == {"accepted": 20, "rejected": []}
        for refused in (head(PATH, f"Content-Length: {len(body)}", "Expect: 100-continue"),):
            assert (await line.ask(refused)).status == 401
    async with serve(limits=SMALL) as served:
        assert (
            await ask(served.port, head(PATH, BEARER, "Content-Length: 99999999", "Expect: 100-continue"))
        ).status == 413


async def test_bodies_that_are_announced_count_until_they_are_durable(serve: ServerStarter) -> None:
    """Announced bytes count until they are durable: too many are 503 with Retry-After, later ones are accepted."""
    body = json.dumps([event(x="y" * 60_000)]).encode()
    async with serve(limits=SMALL) as served:
        served.gate.clear()
        async with connect(served.port) as one, connect(served.port) as two:
            for line in (one, two):
                await line.send(post(body, BEARER))
            await until(lambda: served.waiting == 2)
            reply = await ask(served.port, post(body, BEARER))
            assert (reply.status, reply.headers["retry-after"]) == (503, "1")
            served.gate.set()
            assert [(await line.receive()).status for line in (one, two)] == [202, 202]
        assert (await ask(served.port, post(body, BEARER))).status == 202


async def test_wrong_chunks_are_400(serve: ServerStarter) -> None:
    """A body with wrong chunks is 400."""
    async with serve() as served:
        for stream in (b"zz\r\n", b"5\r\nabcdefgh\r\n"):
            assert (await ask(served.port, head(PATH, BEARER, CHUNKED) + stream)).status == 400
    assert not served.submitted
