"""The plan: which targets are checked at which lists, how often, and whether that fits the limits.

Pure: the caller reads the target files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final

from duckwatch.base.config.units import format_duration
from duckwatch.base.errors import ConfigError, Fault
from exporters.dnsbl.lists import DnsList, TestPoints, names
from exporters.dnsbl.lists.catalogue import Use, catalogue, code_table, default_test
from exporters.dnsbl.lists.names import MAX_NAME_BYTES, Target, TargetKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from exporters.dnsbl.config import DnsblSettings
    from exporters.dnsbl.config.model import ListSettings

MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class PlannedTarget:
    """A target, its interval (None: its list's interval), and the host name that led to it."""

    target: Target
    interval: timedelta | None = None
    name: str | None = None

    def is_more_urgent(self, other: PlannedTarget) -> bool:
        """Return True when this entry asks for a shorter interval than another entry for the same target."""
        return _is_shorter(self.interval, other.interval)


@dataclass(frozen=True, slots=True)
class Host:
    """A host name whose addresses are targets."""

    name: str
    interval: timedelta | None = None


@dataclass(frozen=True, slots=True)
class TargetEntry:
    """One entry of the configuration or of a target file, with the key to name in a fault."""

    key: str
    target: names.Range | str
    treat_as: str = "both"
    interval: timedelta | None = None


@dataclass(frozen=True)
class Plan:
    """The lists, targets and host names of a configuration, with its limits."""

    lists: tuple[DnsList, ...]
    targets: tuple[PlannedTarget, ...]
    hosts: tuple[Host, ...]
    queries_per_minute: int | None
    max_targets: int

    def lists_for(self, checked: PlannedTarget) -> Iterator[DnsList]:
        """Yield the lists that this target is asked at."""
        target = checked.target
        for dns_list in self.lists:
            fits = len(target.wire) + len(dns_list.wire) <= MAX_NAME_BYTES
            if fits and dns_list.takes(target.kind, target.version):
                yield dns_list

    def with_found(self, found: Iterable[PlannedTarget]) -> tuple[tuple[PlannedTarget, ...], int]:
        """Return the configured targets and the `found` ones that fit the limits, and the number that did not fit."""
        load = _QueryLoad(self)
        taken = {checked.target.text: checked for checked in self.targets}
        for checked in self.targets:
            load.add(checked)
        left_out = 0
        for checked in found:
            known = taken.get(checked.target.text)
            if known is not None and not checked.is_more_urgent(known):
                continue
            if (known is None and len(taken) >= self.max_targets) or not load.has_room(checked, known):
                left_out += known is None
                continue
            load.add(checked, known)
            taken[checked.target.text] = checked
        return tuple(taken.values()), left_out


def _is_shorter(interval: timedelta | None, other: timedelta | None) -> bool:
    """Return True when the first interval is shorter. None stands for the list's interval, the longest."""
    return interval is not None and (other is None or interval < other)


def interval_of(checked: PlannedTarget, dns_list: DnsList) -> timedelta:
    """Return the interval of this target at this list: the shorter of its own and the list's."""
    return min(checked.interval or dns_list.interval, dns_list.interval)


class _QueryLoad:
    """Queries a minute that the targets need, by list."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.of_list = {dns_list.zone: 0.0 for dns_list in plan.lists}

    def _shares(self, checked: PlannedTarget, before: PlannedTarget | None = None) -> Iterator[tuple[DnsList, float]]:
        """Yield the queries a minute that a target adds to each list, when it replaces the entry `before`."""
        for dns_list in self._plan.lists_for(checked):
            share = MINUTE / interval_of(checked, dns_list)
            yield dns_list, share - (MINUTE / interval_of(before, dns_list) if before is not None else 0.0)

    def add(self, checked: PlannedTarget, before: PlannedTarget | None = None) -> None:
        for dns_list, share in self._shares(checked, before):
            self.of_list[dns_list.zone] += share

    def has_room(self, checked: PlannedTarget, before: PlannedTarget | None = None) -> bool:
        shares = list(self._shares(checked, before))
        total, bound = sum(self.of_list.values()) + sum(share for _, share in shares), self._plan.queries_per_minute
        return (bound is None or total <= bound + _ROUNDING) and all(
            dns_list.queries_per_minute is None
            or self.of_list[dns_list.zone] + share <= dns_list.queries_per_minute + _ROUNDING
            for dns_list, share in shares
        )


_ROUNDING: Final = 1e-6


def written(settings: DnsblSettings) -> list[TargetEntry]:
    """Return the entries of `dnsbl.targets`."""
    return [
        TargetEntry(f"dnsbl.targets.{index}", entry.target, entry.treat_as, entry.interval)
        for index, entry in enumerate(settings.targets)
    ]


def build(settings: DnsblSettings, from_files: Sequence[TargetEntry] = ()) -> Plan:
    """Return the plan of these settings. Raise ConfigError with every fault."""
    faults: list[Fault] = []
    lists = tuple(_lists(settings, faults))
    targets: dict[str, PlannedTarget] = {}
    hosts: dict[str, Host] = {}
    for one in chain(written(settings), from_files):
        _take(one, targets, hosts, settings.limits.targets, faults)
    plan = Plan(
        lists,
        tuple(targets.values()),
        tuple(hosts.values()),
        settings.limits.queries_per_minute,
        settings.limits.targets,
    )
    if not faults:
        _check_load(plan, settings, faults)
    if faults:
        raise ConfigError(faults)
    return plan


def _take(
    one: TargetEntry, targets: dict[str, PlannedTarget], hosts: dict[str, Host], limit: int, faults: list[Fault]
) -> None:
    if isinstance(one.target, str):
        if one.treat_as != "domain":
            known = hosts.get(one.target)
            if known is None or _is_shorter(one.interval, known.interval):
                hosts[one.target] = Host(one.target, one.interval)
        texts: Iterable[str] = [one.target] if one.treat_as != "host" else []
        count = 1
    else:
        texts, count = names.addresses(one.target), one.target.num_addresses
    if len(targets) + count > limit:
        faults.append(Fault(one.key, f"makes more than {limit} targets (dnsbl.limits.targets)"))
        return
    for text in texts:
        checked = PlannedTarget(names.target(text), one.interval)
        if text not in targets or checked.is_more_urgent(targets[text]):
            targets[text] = checked


def _lists(settings: DnsblSettings, faults: list[Fault]) -> Iterator[DnsList]:
    default = [replace(entry.dns_list) for entry in catalogue().values() if entry.is_default]
    seen: set[str] = set()
    if settings.lists is None:
        for dns_list in default:
            seen.add(dns_list.zone)
            yield _bounded(dns_list, None, settings)
    for section, entries in (("lists", settings.lists or ()), ("more_lists", settings.more_lists)):
        for index, entry in enumerate(entries):
            key = f"dnsbl.{section}.{index}"
            if entry.zone in seen:
                faults.append(Fault(f"{key}.zone", f"must not name a list twice: {entry.zone}"))
                continue
            seen.add(entry.zone)
            yield _bounded(_from_entry(entry, key, faults), entry, settings)
    if not seen:
        faults.append(Fault("dnsbl.lists", "must hold at least one list"))


def _bounded(dns_list: DnsList, entry: ListSettings | None, settings: DnsblSettings) -> DnsList:
    return replace(
        dns_list,
        interval=(entry.interval if entry else None) or settings.interval,
        queries_per_minute=(entry.queries_per_minute if entry else None) or settings.limits.queries_per_minute_per_list,
    )


def _from_entry(entry: ListSettings, key: str, faults: list[Fault]) -> DnsList:
    known = catalogue().get(entry.zone)
    kind = entry.kind or (known.dns_list.kind if known else TargetKind.ADDRESS)
    start = known.dns_list if known else DnsList(entry.zone, kind, test=default_test(kind))
    if known and kind is not start.kind:
        faults.append(Fault(f"{key}.kind", f"must be {start.kind}: that is what this list takes"))
    if known and known.use is Use.KEY and entry.key is None:
        faults.append(Fault(f"{key}.key", "must be set (or key_file): this list answers only with a key"))
    severity = entry.severity or start.severity
    codes = {code: [one.meaning, one.severity or severity, one.effect] for code, one in (entry.codes or {}).items()}
    return replace(
        start,
        severity=severity,
        codes=code_table(codes) + start.codes,
        test=_test(entry, start.test),
        key=entry.key.get_secret_value() if entry.key else None,
        ipv4=start.ipv4 if entry.ipv4 is None else entry.ipv4,
        ipv6=start.ipv6 if entry.ipv6 is None else entry.ipv6,
        delisting=entry.delisting or start.delisting,
    )


def _test(entry: ListSettings, default: TestPoints) -> TestPoints:
    if entry.test is None:
        return default
    listed = default.listed if entry.test.listed is None else entry.test.listed or None
    return TestPoints(listed, default.unlisted if entry.test.unlisted is None else entry.test.unlisted or None)


def _check_load(plan: Plan, settings: DnsblSettings, faults: list[Fault]) -> None:
    """Append a fault for each list whose targets need more queries than its budget allows, saying what would fit."""
    load = _QueryLoad(plan)
    for checked in plan.targets:
        load.add(checked)
    for dns_list in plan.lists:
        budget, rate = dns_list.queries_per_minute, load.of_list[dns_list.zone]
        if budget is not None and rate > budget + _ROUNDING:
            asked = [checked for checked in plan.targets if dns_list in plan.lists_for(checked)]
            faults.append(Fault("dnsbl.targets", _too_many(dns_list, budget, rate, asked)))
    total, bound = sum(load.of_list.values()), plan.queries_per_minute
    if bound is not None and total > bound + _ROUNDING:
        faults.append(
            Fault(
                "dnsbl.limits.queries_per_minute",
                f"must be at least {math.ceil(total - _ROUNDING)} for {len(plan.targets)} targets at "
                f"{len(plan.lists)} lists every "
                f"{format_duration(settings.interval)}",
            )
        )
    for checked in plan.targets:
        longest = max((len(one.wire) for one in plan.lists if one.takes(checked.target.kind, None)), default=0)
        if checked.target.kind is TargetKind.DOMAIN and len(checked.target.wire) + longest > MAX_NAME_BYTES:
            faults.append(Fault("dnsbl.targets", f"{checked.target.text} is too long a name to be asked about"))


def _too_many(dns_list: DnsList, budget: int, rate: float, asked: Sequence[PlannedTarget]) -> str:
    urgent = [checked for checked in asked if interval_of(checked, dns_list) < dns_list.interval]
    room = budget - sum(MINUTE / interval_of(checked, dns_list) for checked in urgent)
    queries = math.ceil(rate - _ROUNDING)
    start = (
        f"{len(asked)} targets are {queries} queries a minute to {dns_list.zone}, which may be asked {budget} times: "
    )
    if room <= _ROUNDING:
        return f"{start}the {len(urgent)} with a shorter interval of their own leave no room for others"
    fit = math.floor(room * (dns_list.interval / MINUTE) + _ROUNDING)
    needed = timedelta(seconds=math.ceil((len(asked) - len(urgent)) * MINUTE.total_seconds() / room - _ROUNDING))
    beside = f" beside the {len(urgent)} with a shorter interval of their own" if urgent else ""
    return (
        f"{start}{fit} targets would fit every {format_duration(dns_list.interval)}{beside}, "
        f"or these at an interval of {format_duration(needed)}"
    )
