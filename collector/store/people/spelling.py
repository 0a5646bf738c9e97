"""The spellings of one person: as whole columns, and within texts as PostgreSQL patterns. Pure.

No pattern and no comparison leaves upper and lower case to the database: the locale C knows none beyond ASCII, and a
Turkish one has another I.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import idna

from collector.events import addresses
from collector.events.privacy.quoted_people import is_telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.events.privacy.pseudonyms import Pseudonyms

FORGOTTEN: Final = "forgotten"

_LOCAL: Final = r"\w.!#$%&'*+/=?^`{|}~-"
"""The characters of a local part: an address does not begin after one of these."""


@dataclass(frozen=True)
class Person:
    """The spellings of one person.

    `whole` are the values of a column (ASCII in lower case); `spelt` is a pattern for columns, for a name that is not
    ASCII. `quoted` are patterns within texts, with their replacements. A text that contains none of `needles` (its
    ASCII in lower case) quotes the person nowhere. `alone` finds the mailbox's name without its domain, if that
    identifies a person.
    """

    whole: tuple[str, ...]
    spelt: str | None
    quoted: tuple[tuple[str, str], ...]
    needles: tuple[str, ...]
    alone: str | None
    domain: str | None

    @classmethod
    def of(cls, written: str, pseudonyms: Pseudonyms | None) -> Person:
        """Return the spellings of an address, or of a user name without a domain (then only whole columns count).

        Raise ValueError for anything else.
        """
        text = addresses.bare(written.strip())
        local, at, domain = text.rpartition("@")
        if (
            not text
            or not text.isprintable()
            or (at and not (local and re.fullmatch(r"[\w.-]+|\[[0-9a-z:.]+\]", domain.lower())))
        ):
            raise ValueError("must be an address (NAME@DOMAIN), or the name of a user")
        pseudonym = None if pseudonyms is None else pseudonyms.of(text)
        if not at:
            names = list(_forms(text))
            return cls((*names, *filter(None, [pseudonym])), _spelt(names), (), (), None, None)
        domains, spelt = _domains(text, domain.lower())
        whole = [f"{one}@{name}" for one in _forms(local) for name in domains]
        quoted = [pair for one in _forms(local) for pair in _quotations(one, domains, spelt)]
        needles = [_needle(one) for one in _forms(local)] + [_needle(_escaped(one)) for one in _forms(local)]
        name = local.lower()
        found = _spelt(whole)
        if pseudonym is not None:
            whole += [f"{pseudonym}@{spelt}", pseudonym]
            quoted.append(_pattern(pseudonym, FORGOTTEN, r"\w"))
            needles.append(pseudonym)
        alone = rf"(?<!\w){_any_case(name)}(?!\w)" if is_telling(name) else None
        return cls(tuple(whole), found, tuple(quoted), tuple(dict.fromkeys(needles)), alone, spelt)

    @property
    def forgotten(self) -> str:
        """Return the text that replaces the address in a column."""
        return FORGOTTEN if self.domain is None else f"{FORGOTTEN}@{self.domain}"


def _forms(name: str) -> Iterator[str]:
    """Yield a name in lower case. One that is not ASCII is also yielded as written, in both of Unicode's normal forms.

    Lower case of one character may be two characters.
    """
    if name.isascii():
        yield name.lower()
        return
    written = (name.lower(), name)
    yield from dict.fromkeys(unicodedata.normalize(form, one) for one in written for form in ("NFC", "NFD"))


def _domains(text: str, domain: str) -> tuple[list[str], str]:
    """Return each spelling of the domain, in lower case, and the one kept in columns of domains (A-labels)."""
    spelt = addresses.domain(text) or domain
    names = [domain, spelt]
    with contextlib.suppress(idna.IDNAError, UnicodeError):  # a literal, or a name that is none
        names.append(idna.decode(spelt))
    return list(dict.fromkeys(names)), spelt


def _quotations(local: str, domains: list[str], spelt: str) -> Iterator[tuple[str, str]]:
    for name in domains:
        yield _pattern(f"{local}@{name}", f"{FORGOTTEN}@{name}", _LOCAL)
    for sign in ("=", "%40"):
        yield _pattern(f"{local}{sign}{spelt}", f"{FORGOTTEN}{sign}{spelt}", r"\w")
    if _escaped(local) != local:
        yield _pattern(f"{_escaped(local)}@{spelt}", f"{FORGOTTEN}@{spelt}", _LOCAL)


def _escaped(local: str) -> str:
    """Return the text as JSON escapes it."""
    return local.replace("\\", "\\\\").replace('"', '\\"')


def _pattern(text: str, replacement: str, before: str) -> tuple[str, str]:
    return rf"(?<![{before}]){_any_case(text)}(?![\w-]|\.\w)", replacement


def _spelt(names: list[str]) -> str | None:
    """Return the pattern of whole values; None if all are ASCII, and compared as they are."""
    patterns = [_any_case(name) for name in names if not name.isascii()]
    return f"^(?:{'|'.join(patterns)})$" if patterns else None


def _any_case(text: str) -> str:
    """Return the pattern of a text with each of its letters in either case."""
    return "".join([f"[{''.join(cases)}]" if len(cases := _cases(c)) > 1 else re.escape(c) for c in text])


def _cases(character: str) -> list[str]:
    """Return a character in its upper and lower cases, those that are one character."""
    upper = character.upper()
    cases = dict.fromkeys((character, character.lower(), upper, upper.lower()))  # the last: a final sigma is a sigma
    return [case for case in cases if len(case) == 1]


def _needle(text: str) -> str:
    """Return the longest part of a text whose case every locale of the database knows; it may be empty."""
    known = [c.lower() if c.isascii() else c if len(_cases(c)) == 1 else "\n" for c in text]
    return max("".join(known).split("\n"), key=len)
