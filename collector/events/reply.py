"""What an SMTP reply's head says: its code (RFC 5321, 4.2) and its enhanced status code (RFC 3463, RFC 2034)."""

from __future__ import annotations

import re

HEAD = re.compile(r"([2-5][0-9]{2})(?:\Z|(?=[ -]))(?:[ -]+#?([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9]|\.[0-9]))?")
"""A code followed by a space, `-` or the end, and the enhanced code behind it (Cisco writes `#` before it). For `match`."""


def codes(reply: str) -> tuple[int | None, str | None]:
    """The reply's code and enhanced code; neither when it does not start with a code from 200 to 599."""
    head = HEAD.match(reply)
    if head is None:
        return None, None
    return int(head[1]), head[2]
