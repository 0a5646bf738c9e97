"""Notices of problems that make verdicts unreliable or missing. Pure.

They are of unhealthy lists, names and resolvers that do not resolve or answer, and settings that are probably wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exporters.dnsbl.checking.discovered_targets import NAME_FAULTS, PRIVATE
from exporters.dnsbl.checking.list_health import ListHealth

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from duckwatch.base.errors import Fault
    from exporters.dnsbl.checking.list_health import ListWatch


class Notice(NamedTuple):
    """One problem. `state` is a word or two, `to_do` what the operator can change; None where `what` says it."""

    subject: str
    state: str
    what: str
    to_do: str | None = None


def of_lists(watches: Iterable[tuple[str, ListWatch]]) -> Iterator[Notice]:
    """Yield a notice for each list that refuses every query or is unhealthy."""
    for zone, watch in watches:
        if watch.health not in (ListHealth.UNKNOWN, ListHealth.HEALTHY):
            yield Notice(zone, watch.health.state, watch.problem, watch.advice)


def of_names(faults: Mapping[str, str]) -> Iterator[Notice]:
    """Yield a notice for each host name without an address that a list can know."""
    for name, fault in sorted(faults.items()):
        what, to_do = NAME_FAULTS[fault]
        yield Notice(name, "private" if fault == PRIVATE else "does not resolve", what, to_do)


def of_settings(warnings: Iterable[Fault]) -> Iterator[Notice]:
    """Yield a notice for each setting that is probably a mistake."""
    for warning in warnings:
        yield Notice(warning.key, "setting", warning.problem)


def of_resolvers(unresolved: Iterable[object], to_do: str, silent: Iterable[str]) -> Iterator[Notice]:
    """Yield a notice for each resolver whose name does not resolve, and for each that does not answer."""
    nameless = [str(endpoint) for endpoint in unresolved]
    for name in nameless:
        yield Notice(name, "resolver", "the resolver's name does not resolve", to_do)
    for name in sorted(set(silent).difference(nameless)):
        yield Notice(name, "resolver", "the resolver does not answer", "start it, or name another in dnsbl.resolvers")
