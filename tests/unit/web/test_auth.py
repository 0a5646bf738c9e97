"""Credentials: which are accepted, and what a token decides."""

from __future__ import annotations

import base64
import hmac
import json
from typing import TYPE_CHECKING

import pytest

from collector.web import auth
from tests.unit.web.conftest import BEARER, TOKEN, event, events
from tests.unit.web.wire import ask, post

if TYPE_CHECKING:
    from tests.unit.web.conftest import ServerStarter


def basic(pair: str) -> str:
    return "Authorization: Basic " + base64.b64encode(pair.encode()).decode()


@pytest.mark.parametrize(
    "header",
    [
        BEARER,
        f"authorization:   bearer   {TOKEN}  ",
        basic(f"any:{TOKEN}"),
        basic(f":{TOKEN}"),
        basic(f"user@example.com:{TOKEN}").replace("Basic", "bAsIc"),
    ],
)
async def test_a_known_token_is_taken_as_bearer_or_as_a_password(serve: ServerStarter, header: str) -> None:
    """A token is accepted as bearer, or as a Basic password, because ZoneMTA and WildDuck can send only Basic."""
    async with serve() as served:
        assert (await ask(served.port, post(events(), header))).status == 202


@pytest.mark.parametrize(
    "header",
    [
        "X-Nothing: here",
        "Authorization:",
        "Authorization: Bearer",
        f"Authorization: {TOKEN}",
        f"Authorization: Bearer {TOKEN}x",
        f"Authorization: Bearer {TOKEN[:-1]}",
        f"Authorization: Bearer {TOKEN.upper()}",
        f"Authorization: Digest {TOKEN}",
        f"Authorization: Bearer {TOKEN}\xff",
        "Authorization: Bearer \xe2\x82\xac",
        basic(TOKEN),
        basic(f"{TOKEN}:"),
        basic(f"any:{TOKEN}:"),
        basic(f"any: {TOKEN}"),
        "Authorization: Basic !!!!",
        "Authorization: Basic \xe9",
        f"X-Api-Key: {TOKEN}",
        f"Cookie: token={TOKEN}",
    ],
)
async def test_anything_else_is_401_that_names_the_schemes(serve: ServerStarter, header: str) -> None:
    """Any other credential is 401 with the schemes, without reading the body or quoting the token."""
    async with serve() as served:
        reply = await ask(served.port, post(events(), header))
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == 'Bearer realm="duckwatch", Basic realm="duckwatch"'
    assert TOKEN.encode() not in reply.body
    assert not served.submitted


async def test_a_token_in_the_query_is_no_credential(serve: ServerStarter) -> None:
    """A token in the query is no credential, because proxies log queries."""
    async with serve() as served:
        path = f"/api/events/ingest?token={TOKEN}&access_token={TOKEN}"
        assert (await ask(served.port, post(events(), path=path))).status == 401


async def test_each_of_several_tokens_works_and_decides_its_cluster(serve: ServerStarter) -> None:
    """Each of several tokens works and decides its cluster; one without cluster leaves it to the sender."""
    tokens = [
        {"token": "old", "cluster": "eu1"},
        {"token": "new", "cluster": "eu1"},
        {"token": "other", "cluster": "us1"},
        {"token": "free"},
    ]
    body = json.dumps([event() | {"cluster": "said"}]).encode()
    async with serve(auth={"tokens": tokens}) as served:
        for token in ("old", "new", "other", "free"):
            assert (await ask(served.port, post(body, f"Authorization: Bearer {token}"))).status == 202
    assert [one.entries[0].cluster for one in served.submitted] == ["eu1", "eu1", "us1", "said"]


async def test_each_token_has_its_own_rate(serve: ServerStarter) -> None:
    """Each token has its own rate limit."""
    tokens = [{"token": "one"}, {"token": "two"}]
    async with serve(auth={"tokens": tokens}, limits={"events_per_second": 10}) as served:
        statuses = [
            (await ask(served.port, post(events(1000), f"Authorization: Bearer {token}"))).status
            for token in ("one", "one", "two", "two")
        ]
    assert statuses == [202, 429, 202, 429]


async def test_every_token_is_compared_whichever_matches(serve: ServerStarter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every token is compared, so that the time of an answer shows nothing about the tokens."""
    compared = []

    def compare(left: bytes, right: bytes) -> bool:
        compared.append((len(left), len(right)))
        return hmac.compare_digest(left, right)

    monkeypatch.setattr(auth, "compare_digest", compare)
    async with serve(auth={"tokens": [{"token": "one"}, {"token": "a-longer-two"}, {"token": "three"}]}) as served:
        for token in ("one", "three", "wrong"):
            await ask(served.port, post(events(), f"Authorization: Bearer {token}"))
    assert compared == [(32, 32)] * 9


async def test_without_tokens_this_machine_may_send(serve: ServerStarter) -> None:
    """Without tokens this machine may send, with or without a credential."""
    async with serve(auth={"tokens": []}) as served:
        assert (await ask(served.port, post(events()))).status == 202
        assert (await ask(served.port, post(events(), BEARER))).status == 202


@pytest.mark.parametrize(
    "header",
    [
        "Forwarded: for=192.0.2.1",
        "forwarded: for=127.0.0.1",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Proto: https",
        "x-forwarded-host: x",
        "Via: 1.1 proxy",
        "X-Real-IP: 127.0.0.1",
        "Origin: http://evil.example",
        "Sec-Fetch-Site: cross-site",
    ],
)
async def test_without_tokens_nobody_sends_through_a_proxy_or_a_browser(serve: ServerStarter, header: str) -> None:
    """Without tokens requests through a proxy or a browser are refused, because they come from elsewhere."""
    async with serve(auth={"tokens": []}) as served:
        assert (await ask(served.port, post(events(), header))).status == 401


@pytest.mark.parametrize(
    ("peer", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:192.0.2.1", False),
        ("192.0.2.1", False),
        ("10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("0.0.0.0", False),
        ("", False),
        (None, False),
        ("/run/socket", False),
    ],
)
def test_only_loopback_peers_are_this_machine(peer: str | None, is_local: bool) -> None:
    """Only loopback peers are this machine, also IPv4 ones in IPv6 form."""
    assert auth.is_loopback(peer) == is_local


async def test_a_wrong_credential_is_refused_before_the_body_is_read(serve: ServerStarter) -> None:
    """A wrong credential is refused before the body is read."""
    async with serve() as served:
        request = post(b"", "Authorization: Bearer wrong", "X-Length: 1").replace(
            b"Content-Length: 0", b"Content-Length: 900000"
        )
        assert (await ask(served.port, request)).status == 401
