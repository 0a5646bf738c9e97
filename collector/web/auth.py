"""Authentication of senders: bearer tokens, HTTP Basic with a token as the password, or signed requests.
Without any credential in the settings, only this machine may send.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
from hmac import compare_digest
from typing import TYPE_CHECKING, Final, NamedTuple

from aiohttp import hdrs

from collector.errors import UnauthorizedError
from collector.web import signature
from collector.web.limits import EventRate

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from collector.config.access import AuthSettings

_FORWARDED: Final = ("forwarded", "x-forwarded-", "x-real-ip", "via", "origin", "sec-fetch-")
"""Prefixes of headers that show that a proxy, or a web page in a browser, sent the request."""


class Sender(NamedTuple):
    """The sender of a request: its rate, and the cluster of its credential (None: each event names its cluster)."""

    cluster: str | None
    rate: EventRate


class Authenticator:
    """Finds the sender of a request by its credentials.

    Every request is compared with every token (or every signature key), so that the time does not show which one
    came close. Digests give all tokens one length. `clock` gives monotonic seconds, `now` epoch seconds.
    """

    def __init__(
        self, auth: AuthSettings, events_per_second: int | None, clock: Callable[[], float], now: Callable[[], float]
    ) -> None:
        self._events_per_second, self._clock, self._now = events_per_second, clock, now
        self._known: list[tuple[bytes, Sender]] = []
        self._keys: list[tuple[bytes, Sender]] = []
        self._local = Sender(None, EventRate(events_per_second, clock))
        self.renew(auth)

    def renew(self, auth: AuthSettings) -> None:
        """Replace the credentials. A credential that stays keeps its event rate and debt."""
        rates = {credential: sender.rate for credential, sender in (*self._known, *self._keys)}

        def sender(credential: bytes, cluster: str | None) -> tuple[bytes, Sender]:
            return credential, Sender(cluster, rates.get(credential) or EventRate(self._events_per_second, self._clock))

        self._known = [sender(_digest(one.token.get_secret_value().encode()), one.cluster) for one in auth.tokens]
        self._keys = [sender(one.key, one.cluster) for one in auth.hmac_secrets]
        self._tolerance_seconds = auth.hmac_tolerance.total_seconds()

    def identify(self, request: web.BaseRequest) -> Sender | signature.UnverifiedSignature:
        """Return the sender, or the claim that `verify` checks once the body is complete. Raise UnauthorizedError."""
        header = request.headers.get(hdrs.AUTHORIZATION)
        if not self._known and not self._keys:
            return self._identify_local(request)
        if header is None and self._keys and signature.SIGNATURE in request.headers:
            return signature.claim_of(request.headers, now=self._now(), tolerance_seconds=self._tolerance_seconds)
        token = _presented(header)
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

    def verify(self, claim: signature.UnverifiedSignature, body: bytes) -> Sender:
        """Return the sender that signed the body, as it came (not inflated). Raise UnauthorizedError.
        May run in any thread.
        """
        found = None
        for key, sender in self._keys:
            if claim.is_of(key, body):
                found = sender
        if found is None:
            raise UnauthorizedError("the signature does not match this body and any known secret")
        return found

    def _identify_local(self, request: web.BaseRequest) -> Sender:
        if not is_loopback(request.remote):
            raise UnauthorizedError("no credential is configured, so only this machine may send")
        if any(name.lower().startswith(_FORWARDED) for name in request.headers):
            raise UnauthorizedError("no credential is configured, so no proxy and no browser may send")
        return self._local


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _presented(header: str | None) -> bytes | None:
    """Return the token of an Authorization header (RFC 6750, 2.1; RFC 7617, 2), or None."""
    scheme, _, value = (header or "").partition(" ")
    value = value.strip()
    match scheme.lower():
        case "bearer":
            # aiohttp decodes headers with `surrogateescape`; encoding with it returns the original bytes.
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
    """Return True for a loopback address, also for an IPv4 one that is mapped into IPv6."""
    if peer == "127.0.0.1":
        return True
    try:
        address = ipaddress.ip_address((peer or "").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
