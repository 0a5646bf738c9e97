"""Finds people in the texts of a server: quoted addresses, and names of the event's mailboxes without domain. Pure.

The time is linear in the text. After `MAX_SHOWN` people of each kind, the rest of the text is hidden whole.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from collector.events import addresses
from collector.events.addresses import IN_DOMAIN, IN_LOCAL, QUOTED_LOCAL
from collector.events.privacy.pseudonyms import PSEUDONYM, without_display
from collector.events.replies.reason import TEXT_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MAX_SHOWN: Final = 64
"""No reply of a real server names as many. Each costs some microseconds, and the pseudonym has twenty characters where
the sender may have written three.
"""

MAX_MAILBOXES: Final = 100
"""The most mailboxes of one entry whose names are looked for in its replies."""

_LOCAL = rf"[{IN_LOCAL}.!\#$%&'*+/=?^`{{|}}~-]"
_DOMAIN = rf"(?: \[ [^\s\]]{{0,64}} \] | [{IN_DOMAIN}-]++ (?:\.[{IN_DOMAIN}-]++)*+ )"

# Each alternative starts at the border of a run and does not backtrack, so the time is linear in the text.
# The factor is at most 64, the length of a text in quotes.
_IN_TEXT: Final = re.compile(
    rf"""(?P<local> (?: {QUOTED_LOCAL} | (?<!{_LOCAL}) {_LOCAL}++ ) (?: @ {_LOCAL}++ (?=@) ){{0,8}}+ )
         (?P<at>@) (?P<domain>{_DOMAIN})""",
    re.VERBOSE | re.DOTALL,
)
_IN_LINK: Final = re.compile(
    rf"""(?P<local> (?<![{IN_LOCAL}.!\#$'*+^`{{|}}~-]) [{IN_LOCAL}.!\#$'*+^`{{|}}~-]++ ) (?P<at>%40)
         (?P<domain> %5[Bb] [^\s%]{{0,64}} %5[Dd] | {_DOMAIN})""",
    re.VERBOSE,
)
_WORD: Final = re.compile(r"\w+")

_RULE_WORDS: Final = frozenset(
    word for rule in TEXT_RULES for word in re.findall("[a-z]{2,}", re.sub(r"\\.", " ", rule.pattern.pattern.lower()))
)
"""The words that give a reply its reason. A mailbox with such a name (`user@`, `spam@`) is not a person, and its name
stays in texts.
"""

_ROLES: Final = frozenset({
    "abuse", "admin", "bounce", "bounces", "contact", "hostmaster", "info", "mail", "mailer-daemon", "marketing",
    "news",
    "newsletter", "no-reply", "noc", "noreply", "office", "postmaster", "root", "sales", "security", "support",
    "webmaster",
})  # fmt: skip
"""Mailboxes of a role (RFC 2142, and the usual ones of senders). Their names are common words of replies as well."""


class QuotedPerson(NamedTuple):
    """A person in a text: the range, and its replacement."""

    start: int
    end: int
    shown: str


class Mailbox(NamedTuple):
    """A name that a reply may use for a person: a local part in lower case. `word`, its first, begins at `offset`."""

    name: str
    word: str
    offset: int
    person: str


def may_quote(text: str) -> bool:
    """Return False for a text that cannot hold an address."""
    return "@" in text or "%40" in text


def in_text(text: str, shown: Callable[[str, str], str], hidden: Callable[[str], str]) -> str:
    """Return the text with each address replaced by `shown(address, at)`. `at` is the sign as it is written: `@`, or
    `%40` in a link. `hidden` replaces the text behind the last person that is shown.
    """
    for pattern, at in ((_IN_TEXT, "@"), (_IN_LINK, "%40")):
        if at in text:
            found = (
                QuotedPerson(one.start(), one.end(), shown(f"{one['local']}@{one['domain']}", at))
                for one in pattern.finditer(text)
            )
            text = _replaced(text, found, hidden)
    return text


def without_names(
    text: str, mailboxes: Sequence[Mailbox], shown: Callable[[str], str], hidden: Callable[[str], str]
) -> str:
    """Return the text with each mailbox name that has no domain replaced by `shown`."""
    lower = text.lower() if mailboxes else ""
    named: dict[str, list[Mailbox]] = {}
    for mailbox in mailboxes:
        if mailbox.name in lower and is_telling(mailbox.name):
            named.setdefault(mailbox.word, []).append(mailbox)
    return _replaced(text, _names(text, named, shown), hidden) if named else text


def mailboxes_of(written: Iterable[str]) -> list[Mailbox]:
    """Return the names of the people in lists of addresses, the longest first."""
    found: dict[str, Mailbox] = {}
    for people in written:
        for one in addresses.split(people)[:MAX_MAILBOXES]:
            person = without_display(one)
            local = (person.rpartition("@")[0] or person).lower().strip('"')
            for name in (local, local.partition("+")[0]):
                if len(name) > 2 and name not in found and (word := _WORD.search(name)):
                    found[name] = Mailbox(name, word[0], word.start(), person)
    return sorted(found.values(), key=lambda mailbox: -len(mailbox.name))[:MAX_MAILBOXES]


def is_telling(name: str) -> bool:
    """Return True if the name can identify a person in a reply. Two letters, a reply code, the usual words of replies
    and a pseudonym cannot.
    """
    return (
        len(name) > 2
        and not (name.isdigit() and len(name) < 5)
        and name not in _RULE_WORDS
        and name not in _ROLES
        and not PSEUDONYM.fullmatch(name)
    )


def _names(text: str, named: dict[str, list[Mailbox]], shown: Callable[[str], str]) -> Iterator[QuotedPerson]:
    """Yield the mailboxes that the text names as separate words. A lookup by word makes their number irrelevant."""
    last = 0
    for word in _WORD.finditer(text):
        for mailbox in named.get(word[0].lower(), ()):
            start = word.start() - mailbox.offset
            end = start + len(mailbox.name)
            if start >= last and text[start:end].lower() == mailbox.name and not _goes_on(text, start, end):
                yield QuotedPerson(start, end, shown(mailbox.person))
                last = end
                break


def _goes_on(text: str, start: int, end: int) -> bool:
    return _WORD.match(text, end) is not None or (start > 0 and _WORD.match(text, start - 1) is not None)


def _replaced(text: str, people: Iterable[QuotedPerson], hidden: Callable[[str], str]) -> str:
    pieces: list[str] = []
    end = 0
    for number, found in enumerate(people):
        if number == MAX_SHOWN:
            return "".join([*pieces, " ", hidden(text[end:].strip())])
        pieces += text[end : found.start], found.shown
        end = found.end
    return "".join([*pieces, text[end:]]) if pieces else text
