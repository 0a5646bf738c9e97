"""From a list's answer to exactly one verdict: listed, clean, refused or error. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final

from exporters.dnsbl.lists import Effect, Severity, gravest
from exporters.dnsbl.lists.model import LOOPBACK, MISSPELT
from exporters.dnsbl.verdicts.lookup_result import Answer, Outcome, Trouble

if TYPE_CHECKING:
    from exporters.dnsbl.lists import DnsList

MAX_CODES: Final = 16
"""Most codes kept of one answer. Lists send only a few."""


class VerdictKind(StrEnum):
    """The kinds of verdict."""

    LISTED = "listed"
    CLEAN = "clean"
    REFUSED = "refused"
    ERROR = "error"

    @property
    def is_real(self) -> bool:
        """True when the verdict is about the target, False when it is only about the lookup."""
        return self in (VerdictKind.LISTED, VerdictKind.CLEAN)


@dataclass(frozen=True, slots=True)
class AnswerCode:
    """One answer code of a listing, with its meaning."""

    code: str
    meaning: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict about a target at a list.

    `detail` is a member of a closed set (docs/dnsbl.md), `codes` are those of a listing, `answers` all addresses of the
    answer, `refusals` the meanings of a refusal's codes.
    """

    kind: VerdictKind
    detail: str
    codes: tuple[AnswerCode, ...] = ()
    answers: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()

    @property
    def severity(self) -> Severity | None:
        """The gravest severity of the codes; None unless listed."""
        return gravest({code.severity for code in self.codes})

    @property
    def advice(self) -> str | None:
        """What the operator of the exporter can do about a failed lookup; None when there is nothing to do."""
        advice = _ADVICE.get(self.detail)
        if advice is not None and self.detail == "refused_code" and MISSPELT in self.answers:
            return f"check the spelling of the zone in dnsbl.lists; if it is right, {advice}"
        return advice


OWN_RESOLVER: Final = "use a resolver of your own (dnsbl.resolvers)"
REGISTER: Final = f"{OWN_RESOLVER}, or register with the list"
_NOT_THROUGH_PUBLIC: Final = f"if it stays so, {OWN_RESOLVER}: some lists do not answer public resolvers"
_ADVICE: Final = {
    "refused_code": REGISTER,
    "outside_127": (
        f"if the resolver answers for names that do not exist, {OWN_RESOLVER}; if the list is closed, "
        "remove it from dnsbl.lists"
    ),
    "unhealthy": "see duckwatch-dnsbl's page for the list's state; if the list is closed, remove it from dnsbl.lists",
    Trouble.REFUSED_RCODE: f"allow this machine to ask the resolver, or {OWN_RESOLVER}",
    Trouble.SERVFAIL: _NOT_THROUGH_PUBLIC,
    Trouble.TIMEOUT: _NOT_THROUGH_PUBLIC,
    Trouble.LAME: "correct the zone in dnsbl.lists; if the list is closed, remove it from there",
    Trouble.UNREACHABLE: "check that the resolvers of dnsbl.resolvers run and can be reached",
}
"""Detail of a verdict -> advice."""

CLEAN: Final = Verdict(VerdictKind.CLEAN, "not_listed")
UNHEALTHY: Final = Verdict(VerdictKind.ERROR, "unhealthy")
_ERRORS: Final = {trouble: Verdict(VerdictKind.ERROR, trouble.value) for trouble in Trouble}


def judge(outcome: Outcome, dns_list: DnsList) -> Verdict:
    """Return the verdict of a list's answer to an A query about a target.

    One address outside 127.0.0.0/8 makes the whole answer a refusal: the zone is parked, or the resolver rewrites
    NXDOMAIN. One refusal code beside other codes does the same.
    """
    if not isinstance(outcome, Answer):
        return _ERRORS[outcome.trouble]
    if not outcome.records:
        return CLEAN
    answers = outcome.records[:MAX_CODES]
    addresses = [IPv4Address(record) for record in outcome.records]
    if not all(address in LOOPBACK for address in addresses):
        return Verdict(VerdictKind.REFUSED, "outside_127", answers=answers)
    meanings = [(str(address), meaning) for address in addresses for meaning in dns_list.meanings(address)]
    effects = {meaning.effect for _, meaning in meanings}
    if Effect.REFUSED in effects:
        said = dict.fromkeys(meaning.text for _, meaning in meanings if meaning.effect is Effect.REFUSED)
        return Verdict(VerdictKind.REFUSED, "refused_code", answers=answers, refusals=tuple(said)[: MAX_CODES - 1])
    codes = [AnswerCode(code, one.text, one.severity) for code, one in meanings if one.effect is Effect.LISTED]
    if not codes:
        return Verdict(VerdictKind.CLEAN, "harmless_code", answers=answers)
    return Verdict(VerdictKind.LISTED, "listed", tuple(codes[:MAX_CODES]), answers)
