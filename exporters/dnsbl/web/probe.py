"""`/probe?target=…&list=…`: check one target now, as the blackbox exporter does, within the budgets and a limit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import generate_latest

from exporters.dnsbl.asking.wire import TXT, A
from exporters.dnsbl.checking.checks import text_of
from exporters.dnsbl.checking.list_health import ListHealth
from exporters.dnsbl.lists import names
from exporters.dnsbl.planning.plan import PlannedTarget
from exporters.dnsbl.schedule.budget import Budget
from exporters.dnsbl.verdicts.lookup_result import Failure, Trouble
from exporters.dnsbl.verdicts.verdict import UNHEALTHY, Verdict, VerdictKind, judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporters.dnsbl.checking.checks import Checks
    from exporters.dnsbl.lists import DnsList
    from exporters.dnsbl.lists.names import Target
    from exporters.dnsbl.metrics import Metrics
    from exporters.dnsbl.planning.plan import Plan

TIMEOUT_HEADER: Final = "X-Prometheus-Scrape-Timeout-Seconds"
DEFAULT_SECONDS: Final = 10.0
LONGEST_SECONDS: Final = 60.0
MARGIN_SECONDS: Final = 0.5
"""Part of the scrape timeout that is left for sending the answer."""

MAX_TARGET: Final = 255


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result at one list. `verdict` is None when the list was not asked, or did not answer in time."""

    dns_list: DnsList
    verdict: Verdict | None
    reason: str | None = None


class Refusal(Exception):  # noqa: N818 - not an error of the program: a normal answer
    """A probe request that is refused, with its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


async def probe(checks: Checks, target: Target, lists: list[DnsList], seconds: float) -> list[ProbeResult]:
    """Ask all lists about a target at once, within their limits. A list without an answer in time has no verdict."""
    tasks = [asyncio.create_task(_ask(checks, target, one)) for one in lists]
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)
    found = []
    for task, dns_list in zip(tasks, lists, strict=True):
        if task.done() and not task.cancelled() and task.exception() is None:
            found.append(task.result())
        else:
            task.cancel()
            found.append(ProbeResult(dns_list, None))
    await asyncio.gather(*tasks, return_exceptions=True)
    return found


async def _ask(checks: Checks, target: Target, dns_list: DnsList) -> ProbeResult:
    outcome = await checks.questions.ask_if_paid(target.wire, A, dns_list)
    if isinstance(outcome, Failure) and outcome.trouble is Trouble.NO_BUDGET:
        return ProbeResult(dns_list, None)
    verdict = judge(outcome, dns_list)
    if verdict.kind.is_real and checks.watches.health(dns_list.zone) is ListHealth.UNKNOWN:
        await checks.watches.test(dns_list)
    if verdict.kind.is_real and checks.watches.health(dns_list.zone) is ListHealth.WRONG:
        return ProbeResult(dns_list, UNHEALTHY)
    if verdict.kind.is_real and (refusal := checks.watches.refusal(dns_list.zone)):
        return ProbeResult(dns_list, refusal)
    if verdict.kind is not VerdictKind.LISTED:
        return ProbeResult(dns_list, verdict)
    return ProbeResult(
        dns_list, verdict, text_of(await checks.questions.ask_if_paid(target.wire, TXT, dns_list), dns_list)
    )


class Prober:
    """Answers requests to `/probe`."""

    def __init__(
        self, checks: Checks, metrics: Metrics, plan: Callable[[], Plan], per_minute: Callable[[], int]
    ) -> None:
        self._checks, self._metrics, self._plan, self._per_minute = checks, metrics, plan, per_minute
        self._budget, self._bound = Budget(per_minute()), per_minute()

    async def answer(self, query: dict[str, list[str]], scrape_seconds: str | None) -> bytes:
        """Return the page for a probe's query string. Raise `Refusal`."""
        try:
            target, lists = self._wanted(query)
            self._take_turn()
        except Refusal as refusal:
            self._metrics.probes.labels("limited" if refusal.status == 429 else "bad_request").inc()
            raise
        found = await probe(self._checks, target, lists, _seconds(scrape_seconds))
        is_complete = all(one.verdict is not None for one in found)
        self._metrics.probes.labels("complete" if is_complete else "partial").inc()
        if query.get("debug", [""])[0] == "true":
            return _debug(target, found).encode()
        return _page(target, found, is_complete=is_complete)

    def _wanted(self, query: dict[str, list[str]]) -> tuple[Target, list[DnsList]]:
        text = query.get("target", [""])[0]
        try:
            parsed = names.parse(text) if len(text) <= MAX_TARGET else ""
        except ValueError as error:
            raise Refusal(400, f"target {error}") from None
        if not isinstance(parsed, str) and parsed.num_addresses > 1:
            raise Refusal(400, "target must be one address or one domain")
        target = names.target(parsed if isinstance(parsed, str) else str(parsed.network_address)) if parsed else None
        if target is None:
            raise Refusal(400, f"target {names.TARGET_FORM}")
        lists = list(self._plan().lists_for(PlannedTarget(target)))
        wanted = {_zone(one) for one in query.get("list", [])}
        if unknown := wanted - {one.zone for one in self._plan().lists}:
            raise Refusal(400, f"{len(unknown)} of the lists asked for are not configured here")
        return target, [one for one in lists if not wanted or one.zone in wanted]

    def _take_turn(self) -> None:
        if self._bound != self._per_minute():
            self._budget, self._bound = Budget(self._per_minute()), self._per_minute()
        now = asyncio.get_running_loop().time()
        if not self._budget.has_room(now):
            raise Refusal(429, "too many probes in this minute (dnsbl.limits.probes_per_minute)")
        self._budget.take(now)


def _zone(text: str) -> str:
    """Return a zone as the plan has it. Names of DNS have no case, and may end in a dot."""
    try:
        return names.domain(text)
    except ValueError:
        return text


def _seconds(header: str | None) -> float:
    try:
        wanted = float(header) if header else DEFAULT_SECONDS
    except ValueError:
        wanted = DEFAULT_SECONDS
    return min(max(wanted - MARGIN_SECONDS, 0.1), LONGEST_SECONDS) if wanted == wanted else DEFAULT_SECONDS  # noqa: PLR0124 - NaN


def _page(target: Target, found: list[ProbeResult], *, is_complete: bool) -> bytes:
    """Return the metrics of one probe, from a registry of its own."""
    registry = CollectorRegistry()
    listed = Gauge("duckwatch_dnsbl_listed", "1 listed, 0 clean", ("target", "list"), registry=registry)
    verdicts = Gauge(
        "duckwatch_dnsbl_probe_verdict",
        "1 for the verdict of each list asked",
        ("target", "list", "verdict"),
        registry=registry,
    )
    Gauge(
        "duckwatch_dnsbl_probe_complete", "0 when a list was not asked or did not answer in time", registry=registry
    ).set(is_complete)
    Gauge("probe_success", "1 when every list gave a real verdict", registry=registry).set(
        bool(found) and all(one.verdict is not None and one.verdict.kind.is_real for one in found)
    )
    for one in found:
        if one.verdict is None:
            continue
        verdicts.labels(target.text, one.dns_list.zone, one.verdict.kind.value).set(1)
        if one.verdict.kind.is_real:
            listed.labels(target.text, one.dns_list.zone).set(one.verdict.kind is VerdictKind.LISTED)
    return generate_latest(registry)


def _debug(target: Target, found: list[ProbeResult]) -> str:
    lines = [f"target {target.text} ({target.kind.value})"]
    if not found:
        lines.append(
            "no configured list takes it: an address is asked at lists of addresses, a name at lists of domains"
        )
    for one in found:
        if one.verdict is None:
            lines.append(f"{one.dns_list.zone}: not asked, or no answer in time")
            continue
        lines.append(
            f"{one.dns_list.zone}: {one.verdict.kind.value} ({one.verdict.detail}) "
            f"{' '.join(one.verdict.answers)}".rstrip()
        )
        lines += [f"    {code.code} {code.severity.value}: {code.meaning}" for code in one.verdict.codes]
        lines += [f"    {text}" for text in one.verdict.refusals]
        if one.verdict.advice:
            lines.append(f"    what to do: {one.verdict.advice}")
        if one.reason:
            lines.append(f"    says: {one.reason}")
    return "\n".join(lines) + "\n"
