"""What a question came to: an answer that was read, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    """What the name holds: `records` as text (addresses, or TXT joined),
    empty when there is no such name or no such record.

    `ttl` is in whole seconds: of the records, or of their absence (RFC 2308: the lesser of SOA's TTL and MINIMUM);
    0 where nobody said. `no_such_name` tells the two kinds of absence apart, which are the same to a list.
    """

    records: tuple[str, ...]
    ttl: int
    no_such_name: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """No usable answer."""

    trouble: Trouble


Outcome = Answer | Failure
