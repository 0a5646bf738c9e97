"""`duckwatch-dnsbl probe TARGET`: asks every configured list that takes the target, and prints a table."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Final

from duckwatch.base.errors import ConfigError, Fault, StartError
from exporters.dnsbl.asking import Resolver, ResolverNames
from exporters.dnsbl.asking.finding import TO_DO
from exporters.dnsbl.checking.checks import Checks, pairs_of
from exporters.dnsbl.checking.current_verdicts import CurrentVerdicts
from exporters.dnsbl.checking.discovered_targets import NAME_FAULTS, PRIVATE, HostNames
from exporters.dnsbl.lists import names
from exporters.dnsbl.metrics import Metrics, PairLines
from exporters.dnsbl.planning.plan import Host, PlannedTarget
from exporters.dnsbl.schedule import Limits, Planner
from exporters.dnsbl.verdicts.verdict import VerdictKind
from exporters.dnsbl.web.probe import ProbeResult, probe

if TYPE_CHECKING:
    from typing import TextIO

    from duckwatch.base.config.addresses import Endpoint
    from exporters.dnsbl.config import DnsblSettings
    from exporters.dnsbl.lists.names import Target
    from exporters.dnsbl.planning.plan import Plan

LISTED: Final = 1
NOTHING_ASKED: Final = 3
PARTLY_ASKED: Final = 4

_COLOURS: Final = {
    VerdictKind.LISTED: "\x1b[31;1m",
    VerdictKind.CLEAN: "\x1b[32m",
    VerdictKind.REFUSED: "\x1b[33m",
    VerdictKind.ERROR: "\x1b[33m",
}
_RESET: Final = "\x1b[0m"
_MAX_TARGETS: Final = 256


def run(settings: DnsblSettings, plan: Plan, text: str, *, colour: bool, out: TextIO = sys.stdout) -> int:
    """Print a table of the verdicts about `text`. Return the exit code.

    0: listed nowhere. 1: listed. 3: no list gave a real verdict. 4: some lists gave none, and the others list nothing.
    Raise `ConfigError` if `text` is not a target.
    """
    logging.getLogger("exporters").addHandler(logging.NullHandler())  # the table shows the same
    found, fault = asyncio.run(_ask(settings, plan, text))
    if fault is not None:
        what, to_do = NAME_FAULTS[fault]
        print(f"{text} {'is not known outside' if fault == PRIVATE else 'does not resolve'}: {what}", file=out)
        print(f"  what to do: {to_do}", file=out)
    for target, results in found:
        if results or fault is None:
            _print(target, results, out, colour=colour)
    kinds = [one.verdict.kind if one.verdict is not None else None for _, results in found for one in results]
    real = sum(kind is not None and kind.is_real for kind in kinds)
    if real < len(kinds):
        print(f"no verdict for {len(kinds) - real} of {len(kinds)} pairs of target and list", file=out)
    if VerdictKind.LISTED in kinds:
        return LISTED
    if not real:
        return NOTHING_ASKED
    return 0 if real == len(kinds) and fault is None else PARTLY_ASKED


async def _ask(
    settings: DnsblSettings, plan: Plan, text: str
) -> tuple[list[tuple[Target, list[ProbeResult]]], str | None]:
    """Return the results of each target that `text` leads to, and the fault of a name without usable addresses."""
    resolver = Resolver(
        await _resolvers(settings),
        timeout_seconds=settings.timeout.total_seconds(),
        in_flight=settings.limits.in_flight_per_resolver,
    )
    try:
        targets, fault = await _targets(settings, plan, text, resolver)
        limits = Limits(settings.limits.queries_per_minute, settings.limits.in_flight_per_list)
        planner = Planner(limits, asyncio.get_running_loop().time())
        checks = Checks(planner, CurrentVerdicts(), PairLines(), Metrics(), lambda _: None)
        pairs = list(pairs_of(plan, [PlannedTarget(target) for target in targets]))
        planner.replace(pairs, limits, asyncio.get_running_loop().time())
        checks.use(resolver, pairs)
        seconds = 4 * settings.timeout.total_seconds() * max(1, len(targets))
        found = [
            (target, await probe(checks, target, list(plan.lists_for(PlannedTarget(target))), seconds))
            for target in targets
        ]
        return found, fault
    finally:
        resolver.close()


async def _resolvers(settings: DnsblSettings) -> list[Endpoint]:
    """Return the addresses of the resolvers. Print each name that does not resolve on standard error.

    Raise StartError when there is no address at all.
    """
    found = ResolverNames()
    await found.find(settings.resolvers)
    for endpoint in found.unresolved(settings.resolvers):
        print(f"dnsbl.resolvers: {endpoint} does not resolve: {TO_DO}", file=sys.stderr)
    endpoints = list(found.addresses(settings.resolvers))
    if not endpoints:
        raise StartError("dnsbl.resolvers: no resolver has an address that can be asked")
    return endpoints


async def _targets(
    settings: DnsblSettings, plan: Plan, text: str, resolver: Resolver
) -> tuple[list[Target], str | None]:
    try:
        parsed = names.parse(text)
    except ValueError as error:
        raise ConfigError([Fault("TARGET", str(error))]) from None
    if isinstance(parsed, str):
        is_domain = parsed in {one.target.text for one in plan.targets}
        if is_domain and parsed not in {host.name for host in plan.hosts}:  # treat_as: domain
            return [names.target(parsed)], None
        hosts, found, public = [Host(parsed)], HostNames(), settings.public_ips
        await found.resolve(hosts, resolver, settings.interval.total_seconds(), public)
        targets = [names.target(parsed), *(one.target for one in found.targets(hosts, public))]
        return targets, found.faults.get(parsed)
    if parsed.num_addresses > _MAX_TARGETS:
        raise ConfigError([Fault("TARGET", f"must be a range of at most {_MAX_TARGETS} addresses")])
    return [names.target(address) for address in names.addresses(parsed)], None


def _print(target: Target, results: list[ProbeResult], out: TextIO, *, colour: bool) -> None:
    print(f"{target.text} ({target.kind.value})", file=out)
    if not results:
        print("  no configured list takes it", file=out)
    width = max((len(one.dns_list.zone) for one in results), default=0)
    for one in results:
        word = one.verdict.kind.value if one.verdict is not None else "not asked"
        start, end = (_COLOURS[one.verdict.kind], _RESET) if colour and one.verdict is not None else ("", "")
        print(f"  {one.dns_list.zone:<{width}}  {start}{word:<9}{end}  {_why(one)}".rstrip(), file=out)
        if one.reason:
            print(f"  {'':<{width}}  {'':<9}  {one.reason}", file=out)
        if one.verdict is not None and one.verdict.advice:
            print(f"  {'':<{width}}  {'':<9}  what to do: {one.verdict.advice}", file=out)
        if one.verdict is not None and one.verdict.kind is VerdictKind.LISTED and one.dns_list.delisting:
            print(f"  {'':<{width}}  {'':<9}  delisting: {one.dns_list.delisting}", file=out)


def _why(one: ProbeResult) -> str:
    if one.verdict is None:
        return "no room in its limits, or no answer in time"
    if one.verdict.codes:
        return "; ".join(f"{code.code} {code.meaning} ({code.severity.value})" for code in one.verdict.codes)
    if one.verdict.kind is VerdictKind.CLEAN and not one.verdict.answers:
        return ""
    said = " ".join([one.verdict.detail.replace("_", " "), *one.verdict.answers])
    return ": ".join([said, *one.verdict.refusals])
