"""`response_pattern`: a reply with its variable parts replaced, so that a new kind of rejection shows as a new pattern."""

from __future__ import annotations

import re

from collector.events.reply import HEAD

PATTERN_CHARACTERS = 200
READ_CHARACTERS = 2000
"""Work is bounded: no more of a reply is looked at."""

_HEX = "[0-9A-Fa-f]{1,4}"

# One pass, each part tried in this order at each place. Every alternative starts at the border of a run (the look-behinds)
# and gives nothing back (`++`), so that the time is linear in the reply.
_PARTS = re.compile(
    rf"""
    (?P<url>  (?<![A-Za-z0-9]) (?:https?|ftp)://[^\s<>"]*[^\s<>".,;:!?)\]}}'] )
  | (?P<addr> (?<![\w.!\#$%&'*+/=?^`{{|}}~-]) [\w.!\#$%&'*+/=?^`{{|}}~-]++ @ (?:\[[^\s\]]*\] | [\w-]+(?:\.[\w-]+)*+ ) )
  | (?P<ip>   (?<![\w.]) (?:[0-9]{{1,3}}\.){{3}}[0-9]{{1,3}} (?![\w]|\.[\w])
            | (?<![\w:.]) (?: (?:{_HEX}:){{7}}{_HEX}
                            | {_HEX}(?::{_HEX}){{0,6}}::(?:{_HEX}(?::{_HEX}){{0,6}})?
                            | ::{_HEX}(?::{_HEX}){{0,6}} ) (?:\.[0-9]{{1,3}}){{0,3}} (?![\w:]) )
  | (?P<host> (?<![\w.-]) (?=[0-9._-]*+[^\W0-9_]) [\w-]++(?:\.[\w-]++)++ )
  | (?P<id>   (?:(?<=\bqueued\ as\ )|(?<=\bid=)) [^\s<>;,()\[\]]++
            | (?<![A-Za-z0-9]) (?: (?=[A-Za-z]*+[0-9])(?=[0-9]*+[A-Za-z])[A-Za-z0-9]{{5,}}+
                                 | [0-9A-Fa-f]{{8,}}+(?![A-Za-z0-9]) ) )
  | (?P<digits> [0-9]++ )
    """,
    re.VERBOSE | re.IGNORECASE,
)

_NAMES = {"url": "<url>", "addr": "<addr>", "ip": "<ip>", "host": "<host>", "id": "<id>", "digits": "#"}


def response_pattern(reply: str) -> str:
    """The pattern of a reply (docs/events.md, section 4), at most 200 characters."""
    text = " ".join(reply[:READ_CHARACTERS].split())
    head = HEAD.match(text)
    end = head.end() if head else 0
    return (text[:end] + _PARTS.sub(_name, text[end:]))[:PATTERN_CHARACTERS]


def _name(part: re.Match[str]) -> str:
    assert part.lastgroup is not None
    return _NAMES[part.lastgroup]
