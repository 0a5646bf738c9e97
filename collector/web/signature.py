"""Requests signed as the Standard Webhooks specification 1.0.0 says: an HMAC over the request's id, its time and
its raw body.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from collector.errors import UnauthorizedError

if TYPE_CHECKING:
    from collections.abc import Mapping

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"

_SECONDS: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_SYMMETRIC: Final = "v1"
"""HMAC-SHA256. The specification's `v1a` (Ed25519) needs no secret, and nobody has asked for it."""

_DIGEST_BYTES: Final = 32


class UnverifiedSignature(NamedTuple):
    """The signature headers of a request, not verified yet. `signed` is the part of the signed text before the body."""

    signed: bytes
    digests: tuple[bytes, ...]

    def is_of(self, key: bytes, body: bytes) -> bool:
        """Return True when this key made one of the signatures over this body. The time does not depend on which."""
        made = hmac.new(key, self.signed, "sha256")
        made.update(body)
        digest = made.digest()
        is_known = False
        for presented in self.digests:
            is_known |= hmac.compare_digest(presented, digest)
        return is_known


def claim_of(headers: Mapping[str, str], *, now: float, tolerance_seconds: float) -> UnverifiedSignature:
    """Read the three headers before the body is read. `now` is epoch seconds.

    Raise UnauthorizedError for a missing or malformed header, and for a time outside the tolerance.
    """
    name, stamp = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    if not name or not _SECONDS.fullmatch(stamp):
        raise UnauthorizedError(f"a signature needs {ID} and {TIMESTAMP} (epoch seconds) beside it")
    if abs(now - int(stamp)) > tolerance_seconds:
        raise UnauthorizedError(
            f"{TIMESTAMP} is too far from now: sign each attempt again, and compare the clocks of both machines"
        )
    digests = tuple(filter(None, map(_digest, headers.get(SIGNATURE, "").split(" "))))
    if not digests:
        raise UnauthorizedError(f"{SIGNATURE} holds no signature of the form v1,<base64>")
    # aiohttp decodes headers with `surrogateescape`; encoding with it returns the original bytes.
    return UnverifiedSignature(f"{name}.{stamp}.".encode("utf-8", "surrogateescape"), digests)


def _digest(written: str) -> bytes | None:
    version, _, encoded = written.partition(",")
    if version != _SYMMETRIC:
        return None
    try:
        digest = base64.b64decode(encoded.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return digest if len(digest) == _DIGEST_BYTES else None
