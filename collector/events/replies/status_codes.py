"""What an SMTP reply's head says: its code (RFC 5321, 4.2) and its enhanced status code (RFC 3463, RFC 2034)."""

from __future__ import annotations

import re
from functools import lru_cache

HEAD = re.compile(r"([2-5][0-9]{2})(?:\Z|(?=[ -]))(?:[ -]+#?([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9]|\.[0-9]))?")
"""A code followed by a space, `-` or the end, and the enhanced code behind it (Cisco writes `#` before it).

For `match`.
"""


_ENHANCED = r"([245]\.[0-9]{1,3}\.[0-9]{1,3})"
_BEHIND_A_WORD = re.compile(rf"[0-9]{{3}}[ -]+(?!see )[A-Za-z0-9_-]{{1,20}} {_ENHANCED}(?![0-9]|\.[0-9])")
_IN_PARENTHESES = re.compile(rf"\(#{_ENHANCED}\)")
READ_CHARACTERS = 2000

_FIRST_CHARACTERS = 13
"""Of a usual head, with what has to be behind it: `421 4.7.650 [`. Longer heads are read as well, without a cache."""


def codes(reply: str) -> tuple[int | None, str | None]:
    """Return the reply's code and enhanced code; neither when it does not start with a code from 200 to 599.

    The enhanced code stands at the head. qmail and Symantec write it as `(#5.1.1)`, Barracuda behind one word.
    Its class must be that of the code.
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
    """Return both codes if they stand in a reply's first characters, and what follows cannot change them.
    Replies share their heads.
    """
    head = HEAD.match(first)
    return None if head is None or head[2] is None or head.end() > _FIRST_CHARACTERS - 2 else (int(head[1]), head[2])
