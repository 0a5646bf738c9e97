"""Warnings of valid settings that are probably mistakes: no target, private targets, public resolvers. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from duckwatch.base.errors import Fault
from exporters.dnsbl.lists import names
from exporters.dnsbl.lists.names import TargetKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from exporters.dnsbl.config import DnsblSettings
    from exporters.dnsbl.planning.plan import Plan, TargetEntry

MAX_OF_A_KIND: Final = 10
"""Most private targets that are named one by one: a long target file may be full of them."""

PUBLIC_RESOLVERS: Final = frozenset(
    {
        *("1.0.0.1", "1.1.1.1", "2606:4700:4700::1001", "2606:4700:4700::1111"),  # Cloudflare
        *("8.8.4.4", "8.8.8.8", "2001:4860:4860::8844", "2001:4860:4860::8888"),  # Google
        *("9.9.9.9", "149.112.112.112", "2620:fe::9", "2620:fe::fe"),  # Quad9
        *("208.67.220.220", "208.67.222.222", "2620:119:35::35", "2620:119:53::53"),  # OpenDNS
    }
)
"""The best known public resolvers (docs/dnsbl.md, "Verdicts")."""


def cautions(settings: DnsblSettings, plan: Plan, wanted: Sequence[TargetEntry]) -> Iterator[Fault]:
    """Yield the warnings. `wanted` holds every entry of the configuration and its target files."""
    link = settings.collector
    if not wanted and not (link is not None and link.targets):
        yield Fault(
            "dnsbl.targets", "names nothing to check: add the addresses, ranges or host names that send your mail"
        )
    private = [one for one in wanted if not isinstance(one.target, str) and names.is_private(one.target)]
    for one in private[:MAX_OF_A_KIND]:
        yield Fault(
            one.key,
            (
                f"{_short(one.target)} is private, or holds addresses that are: no list knows it; "
                f"name the address that the world sees"
            ),
        )
    if len(private) > MAX_OF_A_KIND:
        yield Fault("dnsbl.targets", f"{len(private) - MAX_OF_A_KIND} more entries are private")
    yield from _public_resolvers(settings)
    yield from _taken_by_no_list(plan)


def _public_resolvers(settings: DnsblSettings) -> Iterator[Fault]:
    """Yield a warning for each public resolver: many lists refuse every query that comes through one."""
    for index, one in enumerate(settings.resolvers):
        if one.host in PUBLIC_RESOLVERS:
            yield Fault(
                f"dnsbl.resolvers.{index}",
                (
                    f"{one.host} is a public resolver: many lists refuse to answer it; name a resolver of your own, "
                    f"like 127.0.0.1"
                ),
            )


def _short(target: names.Range | str) -> str:
    return str(target).removesuffix("/32").removesuffix("/128")


def _taken_by_no_list(plan: Plan) -> Iterator[Fault]:
    """Yield a warning for targets that no list takes.

    A name that is a host too is left out: its addresses are checked.
    """
    hosts = {host.name for host in plan.hosts}
    left = [
        one.target for one in plan.targets if one.target.text not in hosts and next(plan.lists_for(one), None) is None
    ]
    for kind, called in (
        ((TargetKind.ADDRESS, 4), "IPv4"),
        ((TargetKind.ADDRESS, 6), "IPv6"),
        ((TargetKind.DOMAIN, None), "domains"),
    ):
        those = [target.text for target in left if (target.kind, target.version) == kind]
        if those:
            yield Fault(
                "dnsbl.lists",
                (
                    f"no configured list takes {called}: {those[0]}{_and_more(those)} will not be checked; "
                    f"add such a list (docs/dnsbl.md)"
                ),
            )


def _and_more(those: list[str]) -> str:
    return f" and {len(those) - 1} more" if len(those) > 1 else ""
