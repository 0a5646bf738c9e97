"""Reads the head of an SMTP reply: the code (RFC 5321, 4.2) and the enhanced status code (RFC 3463, RFC 2034)."""

from __future__ import annotations

import re
from functools import lru_cache

HEAD = re.compile(r"([2-5][0-9]{2})(?:\Z|(?=[ -]))(?:[ -]+#?([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9]|\.[0-9]))?")
"""A code followed by a space, `-` or the end, and the enhanced code behind it (Cisco writes `#` before it).

For `match`.
"""


_ENHANCED = r"([245]\.[0-9]{1,3}\.[0-9]{1,3})"
_BEHIND_A_WORD = re.compile(rf"[0-9]{{3}}[ -]+(?!see )[A-Za-z0-9_-]{{1,20}} {_ENHANCED}(?![0-9]|\.[0-9])")
_IN_PARENTHESES = re.compile(rf"\(#{_ENHANCED}(?: - \w+)?\)")
READ_CHARACTERS = 2000

_FIRST_CHARACTERS = 13
"""The length of a usual head and the two characters behind it: `421 4.7.650 [`. Longer heads are not cached."""


def codes(reply: str) -> tuple[int | None, str | None]:
    """Return the code and the enhanced code of a reply; (None, None) if it does not start with a code from 200 to 599.

    The enhanced code is in the head. qmail and Symantec write it as `(#5.1.1)`, qmail's chkuser as
    `(#5.1.1 - chkuser)`, Barracuda behind one word.
    It must have the class of the code.
    """
    known = _codes_of_head(reply[:_FIRST_CHARACTERS])
    if known is not None:
        return known
    head = HEAD.match(reply)
    if head is None:
        return None, None
    if head[2] is not None or "." not in reply:
        return int(head[1]), head[2]
    found = _BEHIND_A_WORD.match(reply)
    if found is None and "(#" in reply:
        found = _IN_PARENTHESES.search(reply[:READ_CHARACTERS])
    return int(head[1]), found[1] if found is not None and found[1][0] == reply[0] else None


@lru_cache(maxsize=1024)
def _codes_of_head(first: str) -> tuple[int, str] | None:
    """Return both codes if the first characters of a reply hold them, and the rest cannot change them, else None.
    Cached, because many replies have the same head.
    """
    head = HEAD.match(first)
    return None if head is None or head[2] is None or head.end() > _FIRST_CHARACTERS - 2 else (int(head[1]), head[2])
