"""The pseudonym of a person: a keyed hash, the same for each spelling of an address. Pure."""

from __future__ import annotations

import hmac
import re
from functools import lru_cache
from typing import Final, NamedTuple

from collector.events import addresses

PREFIX: Final = "p-"
DIGITS: Final = 20
"""80 bits: a million addresses share a pseudonym with a chance of one in 10¹²."""

PSEUDONYM: Final = re.compile(rf"{PREFIX}[0-9a-f]{{{DIGITS}}}")

_CONTEXT: Final = b"duckwatch pseudonyms 1"
"""Separates this use of the secret from the hash of subjects."""

_CACHED: Final = 8192
_CACHED_CHARACTERS: Final = 320
"""RFC 5321: a local part of 64, a domain of 255. A longer text is not an address, and is not cached."""

_SHOWN_DOMAIN: Final = re.compile(r"[\w.-]{1,255}|\[(?:ipv6:)?[0-9a-f:.]{1,45}\]")


class PublicForm(NamedTuple):
    """The public form of an address: the pseudonym, and the domain if it is a valid one, else None."""

    pseudonym: str
    domain: str | None


class Pseudonyms:
    """The pseudonyms of one secret. Safe to use from any thread."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, _CONTEXT, "sha256")
        self._known = lru_cache(_CACHED)(self._made)

    def of(self, person: str) -> str:
        """Return the pseudonym of an address or of any other name.

        Each spelling of an address (case, `<>`, IDN) has the same pseudonym. A pseudonym is returned unchanged, also
        one that is the local part of an address.
        """
        return self.shown(person).pseudonym

    def shown(self, person: str) -> PublicForm:
        """Return the pseudonym of a person, and the domain that may be shown beside it."""
        return self._known(person) if len(person) <= _CACHED_CHARACTERS else self._made(person)

    def of_whole(self, text: str) -> str:
        """Return the pseudonym of a whole text, without a search for addresses in it. A pseudonym is unchanged."""
        return text if PSEUDONYM.fullmatch(text) else self._hash(text)

    def _made(self, person: str) -> PublicForm:
        name = without_display(person).lower()
        local, at, _ = name.rpartition("@")
        if not at:
            return PublicForm(self.of_whole(name), None)
        domain = addresses.domain_of_alone(name)
        pseudonym = local if PSEUDONYM.fullmatch(local) else self._hash(f"{local}@{domain or ''}")
        is_shown = domain is not None and _SHOWN_DOMAIN.fullmatch(domain)
        return PublicForm(pseudonym, domain if is_shown else None)

    def _hash(self, name: str) -> str:
        return PREFIX + hmac.digest(self._key, name.encode("utf-8", "replace"), "sha256").hex()[:DIGITS]


def without_display(written: str) -> str:
    """Return a mailbox without display name, comments and `<>`; any other text without its `<>`."""
    # The only address may be in a comment. It is not the mailbox then, but it still names a person.
    return ("@" in written and addresses.alone(written)) or addresses.bare(written.strip())
