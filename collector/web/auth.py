"""Who may send: bearer tokens, Basic with a token as the password, or only this machine when no token is configured."""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
from hmac import compare_digest
from typing import TYPE_CHECKING, Final, NamedTuple

from aiohttp import hdrs

from collector.errors import UnauthorizedError
from collector.web.limits import EventRate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp import web

_FORWARDED: Final = ("forwarded", "x-forwarded-", "x-real-ip", "via", "origin", "sec-fetch-")
"""Headers of a request that another party passed on: a proxy, or a browser that runs somebody's page."""


class Sender(NamedTuple):
    """Whom a request comes from: the cluster that its credential decides (None: the sender's word), and its rate."""

    cluster: str | None
    rate: EventRate


class Authenticator:
    """Tells a request's sender by its credentials.

    `tokens` are (token, cluster or None). Every token is compared on every request, so that the time does not tell which one
    came close; digests make all of one length.
    """

    def __init__(
        self, tokens: Sequence[tuple[str, str | None]], events_per_second: int | None, clock: Callable[[], float]
    ) -> None:
        self._known = [
            (_digest(token.encode()), Sender(cluster, EventRate(events_per_second, clock))) for token, cluster in tokens
        ]
        self._local = Sender(None, EventRate(events_per_second, clock))

    def identify(self, request: web.BaseRequest) -> Sender:
        """Returns the sender. Raises UnauthorizedError."""
        if not self._known:
            return self._identify_local(request)
        token = _presented(request.headers.get(hdrs.AUTHORIZATION))
        if token is None:
            raise UnauthorizedError("a token is needed: as a bearer token, or as the password of HTTP Basic")
        digest = _digest(token)
        found = None
        for known, sender in self._known:
            if compare_digest(known, digest):
                found = sender
        if found is None:
            raise UnauthorizedError("this token is not known")
        return found

    def _identify_local(self, request: web.BaseRequest) -> Sender:
        if not is_loopback(request.remote):
            raise UnauthorizedError("no token is configured, so only this machine may send")
        if any(name.lower().startswith(_FORWARDED) for name in request.headers):
            raise UnauthorizedError("no token is configured, so no proxy and no browser may send")
        return self._local


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _presented(header: str | None) -> bytes | None:
    """The token of an Authorization header (RFC 6750, 2.1; RFC 7617, 2), or None."""
    scheme, _, value = (header or "").partition(" ")
    value = value.strip()
    match scheme.lower():
        case "bearer":
            # aiohttp decodes headers so; this gives the same bytes back.
            return value.encode("utf-8", "surrogateescape")
        case "basic":
            try:
                pair = base64.b64decode(value.encode("ascii"), validate=True)
            except (binascii.Error, UnicodeEncodeError):
                return None
            _, colon, password = pair.partition(b":")
            return password if colon else None
        case _:
            return None


def is_loopback(peer: str | None) -> bool:
    """True for an address of this machine alone, also IPv4 written in IPv6."""
    if peer == "127.0.0.1":
        return True
    try:
        address = ipaddress.ip_address((peer or "").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
