"""Signed requests: the specification's example, accepted and refused ones, and limits for unverified bodies."""

from __future__ import annotations

import base64
import gzip
import hmac
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import UnauthorizedError
from collector.web.signature import claim_of
from tests.unit.web.conftest import BEARER, TOKEN, events, until
from tests.unit.web.wire import ask, connect, head, post

if TYPE_CHECKING:
    from tests.unit.web.conftest import ServerStarter

KEY, OTHER = b"a key of 24 bytes or mor", b"another key of at least 24 bytes"
BOTH = {"tokens": [{"token": TOKEN}]}


def secret(key: bytes = KEY) -> str:
    return "whsec_" + base64.b64encode(key).decode()


def signature(body: bytes, key: bytes = KEY, *, name: str = "msg_1", stamp: str) -> str:
    digest = hmac.digest(key, f"{name}.{stamp}.".encode() + body, "sha256")
    return "v1," + base64.b64encode(digest).decode()


def signed(body: bytes, key: bytes = KEY, *, ago: float = 0, more: str = "") -> list[str]:
    """Return the three headers, made `ago` seconds ago."""
    stamp = str(int(time.time() - ago))
    return [
        "Webhook-Id: msg_1",
        f"Webhook-Timestamp: {stamp}",
        f"Webhook-Signature: {more}{signature(body, key, stamp=stamp)}",
    ]


def test_the_specifications_example_is_good() -> None:
    """The specification's example is accepted."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    claim = claim_of(headers, now=1614265330, tolerance_seconds=300)
    assert claim.is_of(key, b'{"test": 2432232314}')
    assert not claim.is_of(key, b'{"test":2432232314}')


async def test_a_signed_request_is_taken_and_its_secret_decides_the_cluster(serve: ServerStarter) -> None:
    """A signed request is accepted beside tokens, and its secret decides the cluster if it names one."""
    secrets = [{"secret": secret(), "cluster": "eu1"}, secret(OTHER)]
    async with serve(auth=BOTH | {"hmac_secrets": secrets}) as served:
        body = events(2)
        assert (await ask(served.port, post(body, *signed(body)))).json["accepted"] == 2
        assert (await ask(served.port, post(body, *signed(body, OTHER)))).status == 202
        assert (await ask(served.port, post(body, BEARER))).status == 202
        assert [one.entries[0].cluster for one in served.submitted] == ["eu1", "default", "default"]


async def test_one_good_signature_of_several_is_enough(serve: ServerStarter) -> None:
    """One good `v1` signature of several is enough, as during a rotation."""
    body = events()
    stamp = str(int(time.time()))
    strange = signature(body, b"x" * 32, stamp=stamp)
    async with serve(auth={"hmac_secrets": [secret(), secret(OTHER)]}) as served:
        more = f"v1a,{'A' * 86}== {strange} v1,short v1 ,, "
        assert (await ask(served.port, post(body, *signed(body, OTHER, more=more)))).status == 202


async def test_the_signature_is_over_the_bytes_that_came(serve: ServerStarter) -> None:
    """The signature is over the received bytes: a gzip body is verified before it is decompressed."""
    packed = gzip.compress(events(3))
    async with serve(auth={"hmac_secrets": [secret()]}) as served:
        good = await ask(served.port, post(packed, "Content-Encoding: gzip", *signed(packed)))
        assert good.json["accepted"] == 3
        over_content = signed(gzip.decompress(packed))
        assert (await ask(served.port, post(packed, "Content-Encoding: gzip", *over_content))).status == 401
        bomb = gzip.compress(b" " * (64 << 20))
        refused = await ask(served.port, post(bomb, "Content-Encoding: gzip", *signed(bomb, OTHER)))
        assert refused.status == 401


async def test_a_large_signed_body_is_taken(serve: ServerStarter) -> None:
    """A large signed body, verified in a thread, is accepted."""
    body = events(1000, filler="x" * 200)
    async with serve(auth={"hmac_secrets": [secret()]}) as served:
        assert (await ask(served.port, post(body, *signed(body)))).json["accepted"] == 1000
        assert (await ask(served.port, post(body + b" ", *signed(body)))).status == 401


@pytest.mark.parametrize("ago", [400, -400])
async def test_a_signature_of_another_time_is_refused_before_the_body_is_read(serve: ServerStarter, ago: float) -> None:
    """A signature older or newer than five minutes is refused before the body is read."""
    async with serve(auth={"hmac_secrets": [secret()]}) as served:
        heads = signed(b"", ago=ago)
        assert (await ask(served.port, head("POST /api/events/ingest", "Content-Length: 9999", *heads))).status == 401
        body = events()
        assert (await ask(served.port, post(body, *signed(body, ago=ago / 2)))).status == 202


@pytest.mark.parametrize(
    "change",
    [
        ("Webhook-Id: msg_1", "Webhook-Id: msg_2"),
        ("Webhook-Id: msg_1", "X-Id: msg_1"),
        ("Webhook-Timestamp: ", "Webhook-Timestamp: 0"),
        ("Webhook-Timestamp: ", "Webhook-Timestamp: -"),
        ("Webhook-Timestamp: ", "Webhook-Timestamp: \xb2"),
        ("Webhook-Timestamp: ", "X-Timestamp: "),
        ("v1,", "v2,"),
        ("v1,", "V1,"),
        ("v1,", ""),
        ("v1,", "v1,A"),
        ("v1,", "v1,\xe9"),
        ("=", "=,x"),
        ("Webhook-Signature: v1", "Authorization: Bearer v1"),
    ],
)
async def test_any_other_form_is_refused(serve: ServerStarter, change: tuple[str, str]) -> None:
    """Any other form of signature is refused, and the answer quotes nothing."""
    body = events()
    headers = [line.replace(*change) for line in signed(body)]
    async with serve(auth={"hmac_secrets": [secret()]}) as served:
        reply = await ask(served.port, post(body, *headers))
        assert reply.status == 401
        assert b"msg_" not in reply.body
        assert served.submitted == []


async def test_a_token_that_is_sent_is_judged_alone(serve: ServerStarter) -> None:
    """A request with a token is judged by the token alone, and without secrets a signature counts nothing."""
    body = events()
    async with serve(auth=BOTH | {"hmac_secrets": [secret()]}) as served:
        wrong = "Authorization: Bearer wrong"
        assert (await ask(served.port, post(body, wrong, *signed(body)))).status == 401
    async with serve(auth=BOTH) as served:
        assert (await ask(served.port, post(body, *signed(body)))).status == 401


async def test_every_key_and_signature_is_compared(serve: ServerStarter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every secret and signature is compared, so that the time of an answer shows nothing."""
    compared = []
    real = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    body = events()
    stamp = str(int(time.time()))
    async with serve(auth={"hmac_secrets": [secret(), secret(OTHER)]}) as served:
        for key in (KEY, OTHER, b"z" * 24):
            more = signature(body, b"y" * 24, stamp=stamp) + " "
            await ask(served.port, post(body, *signed(body, key, more=more)))
    assert compared == [(32, 32)] * 12


async def test_each_secret_has_a_rate_of_its_own(serve: ServerStarter) -> None:
    """Each secret has its own rate limit."""
    secrets = [secret(), secret(OTHER)]
    async with serve(auth=BOTH | {"hmac_secrets": secrets}, limits={"events_per_second": 5}) as served:
        body = events(50)
        assert (await ask(served.port, post(body, *signed(body)))).status == 202
        late = await ask(served.port, post(body, *signed(body)))
        assert late.status == 429
        assert int(late.headers["retry-after"]) >= 1
        assert (await ask(served.port, post(body, *signed(body, OTHER)))).status == 202
        assert (await ask(served.port, post(body, BEARER))).status == 202


async def test_strangers_with_signatures_cannot_use_up_the_bytes_in_flight(serve: ServerStarter) -> None:
    """Bodies with unverified signatures may use only half of the bytes in flight."""
    limits = {"body_bytes": "100KiB", "inflight_bytes": "200KiB"}
    async with serve(auth=BOTH | {"hmac_secrets": [secret()]}, limits=limits) as served:
        announced = head("POST /api/events/ingest", "Content-Length: 100000", *signed(b"", OTHER))
        async with connect(served.port) as first, connect(served.port) as second:
            await first.send(announced)
            await until(lambda: _held(served) == 100_000)
            await second.send(announced)
            assert (await second.receive()).status == 503
            body = b" " * 90_000 + events()
            assert (await ask(served.port, post(body, BEARER))).status == 202
            await first.send(b" " * 100_000)
            assert (await first.receive()).status == 401
        assert _held(served) == 0
        body = b" " * 90_000 + events()
        assert (await ask(served.port, post(body, *signed(body)))).status == 202


def _held(served: object) -> int:
    handler = served.server._routes["/api/events/ingest"]["POST"].__self__  # type: ignore[attr-defined]
    assert handler._unproven.used <= handler._inflight.used
    held: int = handler._unproven.used
    return held


HEADER = st.text(st.characters(exclude_characters="\r\n"), max_size=40)


@given(HEADER, HEADER, st.one_of(HEADER, st.builds(lambda text: f"v1,{text}", HEADER)))
def test_no_header_breaks_the_reading_of_a_claim(name: str, stamp: str, written: str) -> None:
    """Any headers give a claim or UnauthorizedError."""
    headers = {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": written}
    try:
        claim = claim_of(headers, now=0, tolerance_seconds=10**12)
    except UnauthorizedError:
        return
    assert not claim.is_of(KEY, b"")
