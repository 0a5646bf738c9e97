"""The outcome of a DNS lookup: an answer, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Trouble(StrEnum):
    """Why a lookup has no usable answer."""

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
    """The records of a name as text (addresses, or TXT strings joined). Empty when the name or the record does not
    exist.

    `ttl` is in whole seconds: of the records, or of their absence (RFC 2308: the lesser of SOA's TTL and MINIMUM);
    0 when the answer gives none. `no_such_name` distinguishes a missing name from a missing record; to a list they
    are the same.
    """

    records: tuple[str, ...]
    ttl: int
    no_such_name: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """A lookup without a usable answer."""

    trouble: Trouble


Outcome = Answer | Failure
