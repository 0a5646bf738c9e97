"""Hostile requests by number. Input `n` of a seed is always the same bytes, except for the time and the token.

So a single input can be sent again.
"""

from __future__ import annotations

import base64
import gzip
import hmac
import json
import random
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.hostile import values
from tests.hostile.values import CANARY

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

GOOD_EVERY = 20
"""Each request whose number is a multiple of this is good: its event must be in the table."""

REFUSALS = frozenset({400, 401, 404, 405, 408, 411, 413, 414, 415, 417, 431, 501, 505})
"""The statuses that are right for a faulty input."""


class Input(NamedTuple):
    """One input. `request`: all bytes that are sent. `allowed`: the statuses that are right.

    After 503 the input is sent again. `good`: the id of an event that must be stored.
    `is_last`: the connection is not used again, and may end without an answer.
    """

    kind: str
    request: bytes
    allowed: frozenset[int]
    good: str | None = None
    is_last: bool = False


class SentContext(NamedTuple):
    """The token of the sender, and the time of sending (epoch ms)."""

    token: str
    now_ms: int


def make(seed: int, number: int, sent: SentContext) -> Input:
    """Return input `number` of a seed."""
    dice = random.Random(f"{seed}/{number}")
    if number % GOOD_EVERY == 0:
        body = dumps(dice, {"events": [good_event(seed, number, sent)]})
        return Input("good", post(body, sent), frozenset({202}), good_id(seed, number))
    (maker,) = dice.choices(MAKERS, WEIGHTS)
    return maker(dice, sent, seed, number)


def good_id(seed: int, number: int) -> str:
    return f"good-{seed}-{number}"


def good_event(seed: int, number: int, sent: SentContext) -> dict[str, Any]:
    entry = {"id": good_id(seed, number), "action": "QUEUED", "to": "a@b.example", "subject": CANARY}
    return {"time": sent.now_ms, "context": "receiver", "entry": entry}


def dumps(dice: Random, value: object) -> bytes:
    """Return JSON with or without escapes. Python's own NaN, infinities and raw surrogates, invalid JSON, are kept."""
    text = json.dumps(value, ensure_ascii=dice.random() < 0.7, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def post(body: bytes, sent: SentContext, *headers: str, length: int | None = None) -> bytes:
    lines = [
        "POST /api/events/ingest HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {sent.token}",
        f"Content-Length: {len(body) if length is None else length}",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape") + body


def events(dice: Random, sent: SentContext) -> list[Any]:
    return [values.event(dice, sent.now_ms) for _ in range(dice.choice((1, 1, 1, 2, 5)))]


def arranged(dice: Random, made: list[Any]) -> bytes:
    """Return a body with the events: in the plugin's form, as a JSON array, or as one JSON text a line."""
    kind = dice.random()
    if kind < 0.5:
        return dumps(dice, {"cluster": "default", "host": "mta1", "plugin": values.report(dice), "events": made})
    if kind < 0.8:
        return dumps(dice, made)
    return b"\n".join(dumps(dice, one) for one in made)


def beside_good(dice: Random, sent: SentContext, seed: int, number: int) -> Input:
    """Return a request with one good event among bad ones. The good event must be stored."""
    made = events(dice, sent)
    made.insert(dice.randrange(len(made) + 1), good_event(seed, number, sent))
    return Input("beside good", post(arranged(dice, made), sent), frozenset({202}), good_id(seed, number))


def odd_events(dice: Random, sent: SentContext, _seed: int, _number: int) -> Input:
    return Input("odd events", post(arranged(dice, events(dice, sent)), sent), frozenset({202, 400, 413}))


def mutated(dice: Random, sent: SentContext, _seed: int, _number: int) -> Input:
    """Return a request whose body has some bytes changed, inserted, removed or repeated."""
    body = mutate(dice, arranged(dice, events(dice, sent)).replace(CANARY.encode(), b"mutated"))
    return Input("mutated", post(body, sent), frozenset({202, 400, 413}))


def mutate(dice: Random, data: bytes) -> bytes:
    made = bytearray(data)
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(made) + 1)
        to = min(len(made), at + dice.randrange(1, 30))
        match dice.randrange(5):
            case 0:
                made[at:at] = dice.randbytes(dice.randrange(1, 8))
            case 1:
                del made[at:to]
            case 2:
                made[at:at] = made[at:to] * dice.randrange(1, 20)
            case 3:
                made[at:at] = dice.choice((b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\n", b"\\u0000",
                    b"\\ud800", b"\xff", b"1e999", b"null"))  # fmt: skip
            case _:
                for spot in range(at, to):
                    made[spot] ^= 1 << dice.randrange(8)
    return bytes(made)


def zipped(dice: Random, sent: SentContext, _seed: int, _number: int) -> Input:
    """Return a compressed request: intact, changed, cut off, with several members, or a small gzip bomb."""
    kind = dice.random()
    packed = gzip.compress(arranged(dice, events(dice, sent)).replace(CANARY.encode(), b"zipped"), 1)
    if kind < 0.4:
        packed = mutate(dice, packed)
    elif kind < 0.5:
        packed = packed[: dice.randrange(len(packed))]
    elif kind < 0.6:
        packed += gzip.compress(b"") * dice.randrange(100)
    elif kind < 0.602:
        packed = gzip.compress(b" " * 9_000_000)
    elif kind < 0.65:
        packed = zlib.compress(b"[]")
    encoding = dice.choice(("gzip", "gzip", "gzip", "GZIP ", "x-gzip", "br", "deflate", "gzip, gzip", values.TEXTS[0]))
    return Input("zipped", post(packed, sent, f"Content-Encoding: {encoding}"), frozenset({202, 400, 413, 415}))


def reports(dice: Random, sent: SentContext, _seed: int, _number: int) -> Input:
    """Return a heartbeat with wrong values."""
    body: dict[str, Any] = {"cluster": values.value(dice), "host": values.value(dice), "plugin": values.report(dice)}
    if dice.random() < 0.5:
        body["events"] = dice.choice(([], None, values.value(dice)))
    return Input("reports", post(dumps(dice, body), sent), frozenset({202, 400, 413}))


def junk(dice: Random, sent: SentContext, _seed: int, _number: int) -> Input:
    """Return a request whose body has no valid event."""
    body = dice.choice(
        (
            lambda: dice.randbytes(dice.randrange(200)),
            lambda: dumps(dice, values.value(dice)),
            lambda: dice.choice((b"[", b'{"a":', b'[{"entry":')) * dice.choice((1, 50, 5000)),
            lambda: b"\n" * dice.randrange(3000),
            lambda: b"[" + b"{}," * dice.choice((1, 10, 10, 10, 100, 2000 if dice.random() < 0.05 else 10)) + b"0]",
            lambda: b"9" * dice.randrange(5000),
            lambda: b'"' + b"\\u0000" * dice.randrange(2000) + b'"',
        )
    )()
    return Input("junk", post(body, sent), frozenset({202, 400, 413}))


METHODS = ("GET", "PUT", "HEAD", "DELETE", "OPTIONS", "POST", "PATCH", "TRACE", "CONNECT", "post", "\u00e9", "A" * 50)
PATHS = ("/", "/metrics", "/readyz", "/healthz", "/api/events/ingest", "/api/events/ingest/",
    "/api/events/ingest?token=" + CANARY, "*", "//", "/%00", "/..%2f", "/" + "a" * 3000, "http://x/metrics",
    "/metrics#x", "/\u00e9", "/?" + "&" * 500)  # fmt: skip
HEADERS: list[Callable[[Random], str]] = [
    lambda dice: f"Authorization: Bearer {CANARY}",
    lambda dice: "Authorization: Basic " + dice.choice(("", "====", "AAAA", "OjpCYW5hbmE=", "\u00e9")),
    lambda dice: "Content-Type: " + dice.choice(("text/html", "application/json; charset=utf-7",
        "multipart/form-data; boundary=" + "x" * 500, ";;;")),
    lambda dice: "Accept: " + dice.choice(("application/openmetrics-text;version=x", "*/*;q=nan", "," * 500)),
    lambda dice: "Content-Length: " + dice.choice(("-1", "1e3", "99999999999999999999", "0x10", " 5", "5, 5", "٣")),
    lambda dice: "Transfer-Encoding: " + dice.choice(("chunked", "gzip, chunked", "chunked, identity", "x")),
    lambda dice: "Expect: " + dice.choice(("100-continue", "200-ok")),
    lambda dice: "Connection: " + dice.choice(("close", "upgrade", "keep-alive, close", "x" * 300)),
    lambda dice: "Upgrade: " + dice.choice(("websocket", "h2c")),
    lambda dice: "X-Forwarded-For: " + dice.choice(("127.0.0.1", "x" * 3000)),
    lambda dice: dice.choice((": nothing", "no colon", "Bad Name: x", "X:\0", "X: a\rb", "\u00e9: \u00e9", " folded",
        "X" * 5000 + ": 1")),
]  # fmt: skip


def heads(dice: Random, sent: SentContext, _seed: int, _number: int) -> Input:
    """Return a request with an odd request line and odd headers, sometimes with a body."""
    lines = [
        (
            f"{dice.choice(METHODS)} {dice.choice(PATHS)} "
            f"{dice.choice(('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/9', 'X'))}"
        )
    ]
    lines += ["Host: x"] * dice.choice((1, 1, 1, 0, 2))
    lines += [dice.choice(HEADERS)(dice) for _ in range(dice.choice((0, 1, 2, 2, 70)))]
    if dice.random() < 0.5:
        lines.append(f"Authorization: Bearer {sent.token}")
    end = dice.choice(("\r\n", "\r\n", "\r\n", "\n", "\r"))
    body = dice.choice((b"", b"", b"[1]", b"5\r\n[1]\r\n0\r\n\r\n", dice.randbytes(20)))
    request = (end.join(lines) + end * 2).encode("utf-8", "surrogateescape") + body
    return Input("heads", request, REFUSALS | {200, 202}, is_last=True)


def wires(dice: Random, sent: SentContext, _seed: int, _number: int) -> Input:
    """Return bytes that may be no valid request: changed, with a short body, with broken chunks, or random."""
    kind = dice.randrange(4)
    if kind == 0:
        request = mutate(dice, post(b"[1]", sent))
    elif kind == 1:
        request = post(b"[", sent, length=dice.choice((2, 1000, 8_000_000)))
    elif kind == 2:
        chunks = dice.choice(
            (b"5\r\n[1", b"ffffffffffffffff\r\n", b"-1\r\n", b"3\r\n[1]\r\n", b"3;x=" + b"y" * 5000, b"zz\r\n[]\r\n")
        )
        request = post(b"", sent, "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"") + chunks
    else:
        request = dice.randbytes(dice.randrange(1, 500))
    return Input("wires", request, REFUSALS | {200, 202}, is_last=True)


SECRET = base64.b64encode(b"hostile-" * 4).decode()
WRONG = (
    "",
    "1",
    "v1,",
    "v1,AAAA",
    "v1a,AAAA",
    "v1,\u00e9",
    "-1",
    "9" * 30,
    "0x10",
    "1e9",
    "\u0663",
    "v1, v1, " * 200,
    "v1," + "A" * 43 + "=",
)


def signed(dice: Random, sent: SentContext, _seed: int, _number: int) -> Input:
    """Return a request of Standard Webhooks with a right signature, or with one of its three headers wrong."""
    body = arranged(dice, events(dice, sent))
    stamp = str(sent.now_ms // 1000)
    digest = hmac.digest(base64.b64decode(SECRET), f"m.{stamp}.".encode() + body, "sha256")
    headers = {
        "webhook-id": "m",
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
    is_right = dice.random() < 0.5
    if not is_right:
        headers[dice.choice(list(headers))] = dice.choice(WRONG)
    request = post(body, sent, *(f"{name}: {value}" for name, value in headers.items()))
    request = request.replace(f"Authorization: Bearer {sent.token}\r\n".encode(), b"", 1)
    return Input("signed", request, frozenset({202, 400, 413} if is_right else {401}))


def scrapes(dice: Random, _sent: SentContext, _seed: int, _number: int) -> Input:
    """Return a request of a monitoring system: metrics, readiness or health."""
    path = dice.choice(("/metrics", "/readyz", "/healthz"))
    accept = dice.choice(("*/*", "application/openmetrics-text;version=1.0.0", "text/plain;escaping=x"))
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n".encode()
    return Input("scrapes", request, frozenset({200}))


MAKERS = [beside_good, odd_events, mutated, zipped, reports, junk, heads, wires, signed, scrapes]
WEIGHTS = [15, 34, 22, 8, 6, 5, 5, 2.5, 2, 0.5]
