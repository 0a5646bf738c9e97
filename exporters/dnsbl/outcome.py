"""What a question came to: an answer that was read, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Trouble(StrEnum):
    """Why there is no usable answer."""

    TIMEOUT = "timeout"
    SERVFAIL = "servfail"
    REFUSED_RCODE = "refused_rcode"
    OTHER_RCODE = "other_rcode"
    LAME = "lame"
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    UNREACHABLE = "unreachable"
    NO_BUDGET = "no_budget"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the name holds: `records` as text (addresses, or TXT joined), empty when there is no such name or no such record.

    `ttl` is in whole seconds: of the records, or of their absence (RFC 2308: the lesser of SOA's TTL and MINIMUM); 0 where nobody said.
    """

    records: tuple[str, ...]
    ttl: int


@dataclass(frozen=True, slots=True)
class Failure:
    """No usable answer."""

    trouble: Trouble


Outcome = Answer | Failure
