"""`response_pattern`: a reply with its variable parts replaced, so that a new kind of rejection shows as a new pattern."""

from __future__ import annotations

import re
from functools import lru_cache

from collector.events.address import IN_DOMAIN, IN_LOCAL, QUOTED_LOCAL
from collector.events.reply import HEAD

PATTERN_CHARACTERS = 200
READ_CHARACTERS = 2000
"""No more of a reply is looked at: work is bounded however long it is."""

_CACHED_CHARACTERS = 64
_CACHED_PHRASE_CHARACTERS = 256
_HEX = "[0-9A-Fa-f]{1,4}"
_LOCAL = rf"[{IN_LOCAL}.!\#$%&'*+/=?^`{{|}}~-]"

# One pass over a word, each part tried in this order at each place. Every alternative starts at the border of a run (the
# look-behinds) and gives nothing back (`++`), so that the time is linear in the word.
_PARTS = re.compile(
    rf"""
    (?P<url>  (?<![A-Za-z0-9]) (?:https?|ftp):// [^\s<>"]* [^\s<>".,;:!?)\]}}'] )
  | (?P<addr> (?<!{_LOCAL}) {_LOCAL}++ @ (?: \[ [^\s\]]* \] | [{IN_DOMAIN}-]++ (?:\.[{IN_DOMAIN}-]++)*+ ) )
  | (?P<ip>   (?<![\w.]) (?:[0-9]{{1,3}}\.){{3}} [0-9]{{1,3}} (?!\w|\.\w)
            | (?<![\w:.]) (?: (?:{_HEX}:){{7}} {_HEX}
                            | {_HEX} (?::{_HEX}){{0,6}} :: (?: {_HEX} (?::{_HEX}){{0,6}} )?
                            | :: {_HEX} (?::{_HEX}){{0,6}} ) (?:\.[0-9]{{1,3}}){{0,3}} (?![\w:]) )
  | (?P<host> (?<![{IN_DOMAIN}.-]) (?=[0-9._-]*+[^\W0-9_]) [{IN_DOMAIN}-]++ (?:\.[{IN_DOMAIN}-]++)++ )
  | (?P<id>   (?<=\bid=) [^\s<>;,()\[\]]++
            | (?<![A-Za-z0-9-]) [0-9A-Fa-f]{{8}} (?:-[0-9A-Fa-f]{{4}}){{3}} - [0-9A-Fa-f]{{12}} (?![A-Za-z0-9-])
            | (?<![A-Za-z0-9]) (?: (?=[A-Za-z]*+[0-9]) (?=[0-9]*+[A-Za-z]) [A-Za-z0-9]{{5,}}+
                                 | [0-9A-Fa-f]{{8,}}+ (?![A-Za-z0-9]) ) )
  | (?P<digits> [0-9]++ )
    """,
    re.VERBOSE | re.IGNORECASE,
)

_NAMES = {"url": "<url>", "addr": "<addr>", "ip": "<ip>", "host": "<host>", "id": "<id>", "digits": "#"}

_QUEUED_AS = re.compile(r"\bqueued as (?!<(?:url|addr|ip|host)>)[^\s;,()\[\]]*[^\s;,()\[\].]", re.IGNORECASE)


_QUOTED = re.compile(f"{QUOTED_LOCAL}@")

_DIGITS = re.compile(r"[0-9]+")
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


def response_pattern(reply: str) -> str:
    """The pattern of a reply (docs/events.md, section 4), as long as the reply needs: its column takes 200 characters."""
    text = " ".join(reply[:READ_CHARACTERS].split())
    if '"@' in text:
        # There may be spaces in it: it is made one word before the words are looked at.
        text = _QUOTED.sub("q@", text)
    head = HEAD.match(text)
    end = head.end() if head else 0
    # Replies of one server differ in their last word, if at all: what stands before it is known.
    start, space, last = text[end:].rpartition(" ")
    phrase = _phrase(start) if len(start) <= _CACHED_PHRASE_CHARACTERS else _words(start)
    pattern = text[:end] + phrase + space + _replaced_or_known(last)
    # The one part that needs more than its own word; most replies have it at their end, and done.
    if "ueued as " in pattern and not pattern.endswith("queued as <id>"):
        return _QUEUED_AS.sub("queued as <id>", pattern)
    return pattern


def _words(text: str) -> str:
    return " ".join([_replaced_or_known(word) for word in text.split(" ")])


def _replaced_or_known(word: str) -> str:
    if len(word) < 8 and word.isalpha():
        return word
    return _word(word) if len(word) <= _CACHED_CHARACTERS else _replaced(word)


def _replaced(word: str) -> str:
    if word.isalnum() and word.isascii():
        return _replaced_run(word)
    return _PARTS.sub(_name, word)


def _replaced_run(run: str) -> str:
    """What `_PARTS` makes of letters and digits alone, at a third of the cost: ids are most of the words that are new."""
    is_mixed = not run.isalpha() and not run.isdigit()
    if (is_mixed and len(run) >= 5) or (len(run) >= 8 and _HEX_DIGITS.issuperset(run)):
        return "<id>"
    return _DIGITS.sub("#", run)


# Replies share most of their words. Bounded, and closed to long words: no sender can fill it.
_word = lru_cache(maxsize=4096)(_replaced)
_phrase = lru_cache(maxsize=1024)(_words)


def _name(part: re.Match[str]) -> str:
    return _NAMES[part.lastgroup or ""]
