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
from collector.events.border.json_values import ascii_json
from collector.events.privacy.quoted_people import is_telling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    def of(cls, written: str, pseudonyms: Pseudonyms | None, lacking: frozenset[str] = frozenset()) -> Person:
        """Return the spellings of an address, or of a user name without a domain (then only whole columns count).

        A database whose encoding lacks the characters `lacking` has no text with one of them. Raise ValueError for
        anything else than an address or a name.
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
            held = [one for one in names if lacking.isdisjoint(one)]
            return cls((*held, *filter(None, [pseudonym])), _spelt(names, lacking), (), (), None, None)
        domains, spelt = _domains(text, domain.lower())
        names = [f"{one}@{name}" for one in _forms(local) for name in domains]
        whole = [one for one in names if lacking.isdisjoint(one)]
        quoted = [pair for one in _forms(local) for pair in _quotations(one, domains, spelt, lacking)]
        needles = [
            _needle(text, way, lacking)
            for one in _forms(local)
            for text in (one, _escaped(one))
            for way in (str, ascii_json)
        ]
        name = local.lower()
        found = _spelt(names, lacking)
        if pseudonym is not None:
            whole += [f"{pseudonym}@{spelt}", pseudonym]
            quoted += _pattern(pseudonym, FORGOTTEN, r"\w", lacking)
            needles.append(pseudonym)
        case = _any_case(name, lacking)
        alone = rf"(?<!\w){case}(?!\w)" if is_telling(name) and case is not None else None
        return cls(tuple(whole), found, tuple(quoted), tuple(dict.fromkeys(needles)), alone, spelt)

    @property
    def characters(self) -> frozenset[str]:
        """The characters of the spellings, and of their patterns."""
        patterns = [pattern for pattern, _ in self.quoted]
        return frozenset("".join([*self.whole, *patterns, *self.needles, self.spelt or "", self.alone or ""]))

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


def _quotations(local: str, domains: list[str], spelt: str, lacking: frozenset[str]) -> Iterator[tuple[str, str]]:
    for name in domains:
        yield from _pattern(f"{local}@{name}", f"{FORGOTTEN}@{name}", _LOCAL, lacking)
    for sign in ("=", "%40"):
        yield from _pattern(f"{local}{sign}{spelt}", f"{FORGOTTEN}{sign}{spelt}", r"\w", lacking)
    if _escaped(local) != local:
        yield from _pattern(f"{_escaped(local)}@{spelt}", f"{FORGOTTEN}@{spelt}", _LOCAL, lacking)


def _escaped(local: str) -> str:
    """Return the text as JSON escapes it."""
    return local.replace("\\", "\\\\").replace('"', '\\"')


def _pattern(text: str, replacement: str, before: str, lacking: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield the patterns of a text, and what replaces it: as it is, and in ASCII as a dead letter may have it."""
    case = _any_case(text, lacking)
    if case is not None:
        yield rf"(?<![{before}]){case}(?![\w-]|\.\w)", replacement
    if not text.isascii():
        yield rf"(?<![{before}]){_any_case(text, write=ascii_json)}(?![\w-]|\.\w)", ascii_json(replacement)


def _spelt(names: list[str], lacking: frozenset[str]) -> str | None:
    """Return the pattern of whole values; None if all are ASCII, and compared as they are."""
    patterns = [_any_case(name, lacking) for name in names if not name.isascii()]
    return f"^(?:{'|'.join(filter(None, patterns))})$" if any(patterns) else None


def _any_case(text: str, lacking: frozenset[str] = frozenset(), write: Callable[[str], str] = str) -> str | None:
    """Return the pattern of a text with each of its letters in either case, written by `write`.

    None if it has a character of which every case is lacking. Characters beyond ASCII are alternatives, not a class:
    to a database in SQL_ASCII each is several characters.
    """
    found = []
    for character in text:
        cases = [case for case in _cases(character) if case not in lacking]
        if not cases:
            return None
        written = [re.escape(write(case)) for case in cases]
        if len(cases) > 1:
            written = [f"[{''.join(cases)}]" if "".join(cases).isascii() else f"(?:{'|'.join(written)})"]
        found += written
    return "".join(found)


def _cases(character: str) -> list[str]:
    """Return a character in its upper and lower cases, those that are one character."""
    upper = character.upper()
    cases = dict.fromkeys((character, character.lower(), upper, upper.lower()))  # the last: a final sigma is a sigma
    return [case for case in cases if len(case) == 1]


def _needle(text: str, write: Callable[[str], str], lacking: frozenset[str]) -> str:
    """Return the longest part of a text, written by `write`, whose case every locale of the database knows.

    It may be empty.
    """
    known = [c.lower() if c.isascii() else write(c) if len(_cases(c)) == 1 else "\n" for c in text]
    return max((part for part in "".join(known).split("\n") if lacking.isdisjoint(part)), key=len, default="")
