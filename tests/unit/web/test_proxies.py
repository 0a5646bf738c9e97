"""Requests changed by proxies and unusual clients, and the headers that mark the collector's answers."""

from __future__ import annotations

import gzip
import json
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from duckwatch.base.heads import MAX_HEADER_BYTES
from tests.unit.web.conftest import BEARER, event, events, until
from tests.unit.web.wire import ask, connect, head, post

if TYPE_CHECKING:
    from tests.unit.web.conftest import ServerStarter

PATH = "/api/events/ingest"


ASKED = [
    (post(events(), BEARER), 202),
    (post(b'["x"]', BEARER), 400),
    (post(b'[{"action": "QUEUED"}, {"entry": 5}]', BEARER), 202),
    (post(events()), 401),
    (head("GET /nowhere"), 404),
    (head(f"GET {PATH}"), 405),
    (post(b" " * 3000, BEARER), 413),
    (post(events(), BEARER, "Content-Encoding: br"), 415),
    (post(events(), BEARER, "Expect: tea"), 417),
    (head("GET /", "X: " + "a" * MAX_HEADER_BYTES), 431),
    (head("GET /" + "a" * 9000), 414),
    (b"nonsense\r\n\r\n", 400),
    (head(f"POST {PATH}", BEARER, "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", 501),
    (head(f"POST {PATH}", BEARER, "Transfer-Encoding: x,Chunked") + b"0\r\n\r\n", 501),
    (head("GET /").replace(b"HTTP/1.1", b"HTTP/2.0"), 505),
    (head("GET /").replace(b"HTTP/1.1", b"HTTP/0.9"), 505),
    (head("GET /"), 200),
    (head("GET /healthz"), 200),
    (head("GET /readyz"), 200),
    (head("GET /metrics"), 200),
    (head("GET /metrics", "Accept: application/openmetrics-text"), 200),
]


@pytest.mark.parametrize(("request_bytes", "status"), ASKED, ids=range(len(ASKED)))
async def test_every_answer_says_that_it_is_the_collectors(
    serve: ServerStarter, request_bytes: bytes, status: int
) -> None:
    """Every answer has the collector's header, of every route and of aiohttp's parser."""
    async with serve(limits={"body_bytes": "2KiB"}) as served:
        reply = await ask(served.port, request_bytes)
    assert (reply.status, reply.headers["duckwatch-version"]) == (status, version("duckwatch"))


CHUNKED = head(f"POST {PATH}", BEARER, "Transfer-Encoding: chunked")
GZIP = gzip.compress(events())


@pytest.mark.parametrize(
    ("request_bytes", "is_of_transport"),
    [
        (b"nonsense\r\n\r\n", True),
        (head("GET /", "A b: c"), True),
        (head(f"POST {PATH}", BEARER, "Content-Length: 5", "Transfer-Encoding: chunked"), True),
        (CHUNKED + b"zz\r\n", True),
        (CHUNKED + b"3\r\nabcde\r\n0\r\n\r\n", True),
        (post(events(), BEARER, "Content-Encoding: gzip"), True),
        (post(GZIP[:-4], BEARER, "Content-Encoding: gzip"), True),
        (post(b'["x"]', BEARER), False),
        (post(b"{}x", BEARER), False),
    ],
    ids=range(9),
)
async def test_a_400_says_whether_it_is_about_the_transport(
    serve: ServerStarter, request_bytes: bytes, is_of_transport: bool
) -> None:
    """A 400 has a header that says whether the transport or the content is at fault."""
    async with serve() as served:
        reply = await ask(served.port, request_bytes)
    assert (reply.status, reply.headers["duckwatch-version"]) == (400, version("duckwatch"))
    assert reply.headers.get("duckwatch-fault") == ("transport" if is_of_transport else None)


@pytest.mark.parametrize(
    ("body", "headers", "status", "is_of_transport"),
    [
        (events()[:-1], [f"Duckwatch-Length: {len(events())}"], 400, True),
        (b"", [f"Duckwatch-Length: {len(events())}"], 400, True),
        (gzip.compress(events()[:-1]), ["Content-Encoding: gzip", f"Duckwatch-Length: {len(events())}"], 400, True),
        (b"not JSON", ["Duckwatch-Length: 8"], 400, False),
        (events()[:-1], [], 400, False),
        (gzip.compress(events()), ["Content-Encoding: gzip", f"Duckwatch-Length: {len(events())}"], 202, False),
        (events() + b"  ", [f"Duckwatch-Length: {len(events())}"], 202, False),
    ],
    ids=["cut", "nothing left", "packed by a proxy", "not JSON", "no word of its length", "packed", "in other words"],
)
async def test_a_body_that_was_cut_on_its_way_is_a_fault_of_the_transport(
    serve: ServerStarter, body: bytes, headers: list[str], status: int, is_of_transport: bool
) -> None:
    """A body shorter than the sender's own length header is a fault of the transport."""
    async with serve() as served:
        reply = await ask(served.port, post(body, BEARER, *headers))
    assert reply.status == status
    assert reply.headers.get("duckwatch-fault") == ("transport" if is_of_transport else None)


async def test_an_overload_and_a_fault_of_ours_say_so_too(serve: ServerStarter) -> None:
    """Answers 503 and 500 have the collector's header too. Each resource counts from 0: its first shortage is an
    increase.
    """
    async with serve() as served:
        shortages = [
            served.metrics.registry.get_sample_value("duckwatch_resource_shortages_total", {"resource": resource})
            for resource in ("descriptors", "memory", "threads", "disk")
        ]
        assert shortages == [0, 0, 0, 0]
        for failure, status in ((RuntimeError("x"), 500), (MemoryError(), 503), (OSError(24, "x"), 503)):
            served.failure = failure
            reply = await ask(served.port, post(events(), BEARER))
            assert (reply.status, reply.headers["duckwatch-version"]) == (status, version("duckwatch"))
        assert (await ask(served.port, head("GET /readyz"))).status == 200
    assert served.count("duckwatch_resource_shortages_total", resource="memory") == 1
    assert served.count("duckwatch_resource_shortages_total", resource="descriptors") == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["X-Client-Cert: " + "a" * 5000], 200),
        (["X-Client-Cert: " + "a" * (MAX_HEADER_BYTES - 100)], 200),
        (["X-Client-Cert: " + "a" * MAX_HEADER_BYTES], 431),
        ([f"X-{n}: " + "a" * 1000 for n in range(15)], 200),
        ([f"X-{n}: " + "a" * 1000 for n in range(20)], 431),
        ([f"X-{n}: a" for n in range(63)], 200),
        ([f"X-{n}: a" for n in range(64)], 431),
        ([f"X-{n}: a" for n in range(500)], 431),
    ],
)
async def test_headers_may_be_16_kib_and_64(serve: ServerStarter, headers: list[str], status: int) -> None:
    """Headers may have 16 KiB in total and be 64, `Host` included."""
    async with serve() as served:
        assert (await ask(served.port, head("GET /healthz", *headers))).status == status


@pytest.mark.parametrize("early", [0, 100, 8_000, 15_000, 19_000, -1])
async def test_a_large_head_is_431_wherever_it_is_cut(serve: ServerStarter, early: int) -> None:
    """A large head is 431, wherever its bytes are split. -1 means all but the last byte."""
    large = head("GET /healthz", *[f"X-{n}: " + "a" * 1000 for n in range(20)])
    async with serve() as served, connect(served.port) as line:
        await line.send(head("GET /healthz") + large[:early])
        assert (await line.receive()).status == 200
        await line.send(large[early:])
        assert (await line.receive()).status == 431


async def test_a_head_without_end_is_431_before_it_is_whole(serve: ServerStarter) -> None:
    """An endless head is 431 before it is complete, whatever its headers and pieces."""
    async with serve() as served, connect(served.port) as line:
        await line.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        for n in range(40):
            await line.send(b"X-%d: %s\r\n" % (n, b"a" * 1000))
        assert (await line.receive()).status == 431
        assert await line.is_closed()


async def test_a_long_head_behind_a_long_body_is_no_part_of_it(serve: ServerStarter) -> None:
    """Bytes of a body do not count as part of the next head, in any pieces."""
    body = events(400)
    async with serve() as served, connect(served.port) as line:
        for _ in range(3):
            data = post(body, BEARER, "X: " + "a" * 15_000)
            for start in range(0, len(data), 7000):
                await line.send(data[start : start + 7000])
            assert (await line.receive()).status == 202


@pytest.mark.parametrize(
    "target",
    [
        "/healthz",
        "/healthz?x=1",
        "http://collector.example/healthz",
        "http://collector.example:9626/healthz?x",
        "HTTPS://[2001:db8::1]/healthz",
    ],
)
async def test_a_target_in_each_of_its_forms(serve: ServerStarter, target: str) -> None:
    """Each form of the request target is accepted, also the absolute one (RFC 9112, 3.2.2)."""
    async with serve() as served:
        assert (await ask(served.port, head(f"GET {target}"))).json == {"status": "ok"}
        reply = await ask(served.port, head("GET http://collector.example"))
        assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert (await ask(served.port, post(events(), BEARER, path=f"http://x{PATH}"))).status == 202


@pytest.mark.parametrize("extra", ["", "Connection: keep-alive\r\n"])
async def test_an_http_1_0_client_is_not_told_to_continue(serve: ServerStarter, extra: str) -> None:
    """An HTTP/1.0 client gets no 100 Continue, which it would read as the answer (RFC 9110, 10.1.1)."""
    body = events()
    asked = f"POST {PATH} HTTP/1.0\r\n{BEARER}\r\n{extra}Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    async with serve() as served, connect(served.port) as line:
        await line.send(asked.encode())
        await until(lambda: served.server._bodies._reading)
        await line.send(body)
        reply = await line.receive()
        assert reply.status == 202
        if extra:
            assert (await line.ask(asked.encode() + body)).status == 202
        else:
            assert await line.is_closed()


async def test_an_http_1_1_client_is_told_to_continue(serve: ServerStarter) -> None:
    """An HTTP/1.1 client gets 100 Continue, then the answer."""
    body = events()
    async with serve() as served, connect(served.port) as line:
        await line.send(head(f"POST {PATH}", BEARER, f"Content-Length: {len(body)}", "Expect: 100-Continue"))
        assert (await line.receive(has_body=False)).status == 100
        await line.send(body)
        assert (await line.receive()).status == 202


DRESSED = [
    (gzip.compress(events()) + b"\0" * 700, ["Content-Encoding: gzip"]),
    (gzip.compress(events()[:9]) + b"\0" * 9 + gzip.compress(events()[9:]) + b"\0", ["Content-Encoding: x-gzip"]),
    (gzip.compress(events()), ["Content-Encoding: identity, GZIP"]),
    (events(), ["Content-Encoding: identity"]),
    (b"\xef\xbb\xbf" + events(), ["Content-Type: application/json; charset=utf-8"]),
    (events(), ["Content-Type: text/plain"]),
    (b"\xef\xbb\xbf" + json.dumps(event()).encode() + b"\r\n" + json.dumps(event()).encode(), []),
]


@pytest.mark.parametrize(("body", "headers"), DRESSED, ids=range(len(DRESSED)))
async def test_a_body_that_something_on_the_way_has_dressed_up(
    serve: ServerStarter, body: bytes, headers: list[str]
) -> None:
    """A body with gzip padding, members, a byte order mark or any content type is read."""
    async with serve() as served:
        assert (await ask(served.port, post(body, BEARER, *headers))).status == 202
    assert served.submitted[0].count >= 1


async def test_the_trailers_of_a_chunked_body_are_passed_over(serve: ServerStarter) -> None:
    """Trailers of a chunked body are ignored, and the connection continues."""
    body = events()
    chunked = b"%x\r\n%s\r\n0\r\nX-Checksum: 1\r\nX-Other: 2\r\n\r\n" % (len(body), body)
    async with serve() as served, connect(served.port) as line:
        for _ in range(2):
            data = head(f"POST {PATH}", BEARER, "Transfer-Encoding: chunked", "Trailer: X-Checksum") + chunked
            assert (await line.ask(data)).status == 202


async def test_identity_beside_chunked_is_no_coding(serve: ServerStarter) -> None:
    """`identity` was a transfer coding that changes nothing (RFC 2616, 3.6), and old clients send it."""
    body = events()
    asked = head(f"POST {PATH}", BEARER, "Transfer-Encoding: identity, chunked")
    async with serve() as served:
        assert (await ask(served.port, asked + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))).status == 202


async def test_an_answer_never_has_the_version_of_an_unknown_protocol(serve: ServerStarter) -> None:
    """A request of another version is answered in HTTP/1, not in the version that it names."""
    async with serve() as served, connect(served.port) as line:
        await line.send(head("GET /").replace(b"HTTP/1.1", b"HTTP/2.0"))
        assert (await line.reader.readline()).startswith(b"HTTP/1.0 505 ")


async def test_after_an_upgrade_that_is_not_taken_no_request_waits_for_ever(serve: ServerStarter) -> None:
    """An upgrade to HTTP/2, as curl and Java ask for it, is answered in HTTP/1.1. What came behind it is lost in
    aiohttp's parser, so the connection closes, and the client sends it again (RFC 9112, 9.3.2).
    """
    h2c = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"]
    async with serve() as served, connect(served.port) as line:
        await line.send(post(events(), BEARER, *h2c) + post(events(), BEARER))
        reply = await line.receive()
        assert (reply.status, reply.headers["connection"]) == (202, "close")
        assert await line.is_closed()
    async with serve() as served, connect(served.port) as line:
        for _ in range(2):  # nginx, with a block that somebody copied
            assert (await line.ask(post(events(), BEARER, "Connection: upgrade"))).status == 202


async def test_head_has_no_body_and_the_same_headers(serve: ServerStarter) -> None:
    """HEAD has the same headers as GET and no body, for each page."""
    async with serve() as served, connect(served.port) as line:
        for path in ("/", "/healthz", "/readyz", "/metrics"):
            await line.send(head(f"HEAD {path}"))
            reply = await line.receive(has_body=False)
            assert (reply.status, int(reply.headers["content-length"]) > 0) == (200, True)
