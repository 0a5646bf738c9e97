"""Posts changes to the collector (docs/dnsbl.md, "What it posts"): in order, in batches, again until accepted."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import aiohttp
import msgspec

from exporters.dnsbl.verdicts.verdict import VerdictKind

if TYPE_CHECKING:
    from exporters.dnsbl.checking.current_verdicts import Change
    from exporters.dnsbl.config.model import CollectorSettings
    from exporters.dnsbl.metrics import Metrics
    from exporters.dnsbl.verdicts.verdict import Verdict

log = logging.getLogger(__name__)

BATCH: Final = 500
BATCH_BYTES: Final = 1 << 20
MAX_WAITING: Final = 50_000
MAX_WAITING_BYTES: Final = 32 << 20
GATHER_SECONDS: Final = 1.0
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
TIMEOUT_SECONDS: Final = 30.0
STOP_SECONDS: Final = 2.0
"""Time limit of the last attempt, when the exporter stops."""
MAX_ANSWER_BYTES: Final = 1 << 20
_TAKEN: Final = 202
_REFUSED: Final = (400, 413, 415, 422)
_LENGTH_HEADER: Final = "Duckwatch-Length"
"""The body's length. By it the collector detects a body that was cut in transit."""

_FAULT_HEADER: Final = "Duckwatch-Fault"
"""The collector's header for a request that was broken in transit. The results in it may be good."""

_VERSION_HEADER: Final = "Duckwatch-Version"
"""The collector sends this header with every answer. A proxy that refuses a request by its own rules does not."""


class PostResult(NamedTuple):
    """The outcome of one request: `status` (0 without an answer), and the number of results rejected one by one.

    `retry_after` is the least time to wait, in seconds. `is_collectors` is False when a proxy answered. `is_taken` is
    True when the collector has the results.
    """

    status: int
    retry_after: float = 0.0
    rejected: int = 0
    is_collectors: bool = False
    is_taken: bool = False

    @property
    def is_refusal(self) -> bool:
        """True when the collector will never accept these results."""
        return self.is_collectors and self.status in _REFUSED


def result_of(change: Change) -> dict[str, Any]:
    """Return a change in the form in which it is posted."""
    pair, verdict = change.pair, change.verdict
    assert pair.target is not None
    return {
        "time": change.time_ms,
        "target": pair.target.text,
        "name": pair.name,
        "kind": pair.target.kind.value,
        "list": pair.dns_list.zone,
        "verdict": verdict.kind.value,
        "detail": verdict.detail,
        "codes": sorted({code.code for code in verdict.codes} or set(verdict.answers)),
        "meanings": _meanings(verdict),
        "severity": verdict.severity,
        "reason": change.reason,
        "previous": change.previous,
        "standing": change.standing,
        "standing_since": change.since_ms,
    }


def _meanings(verdict: Verdict) -> list[str]:
    """Return the meanings of a listing's codes; for a refusal also the advice."""
    if verdict.kind is not VerdictKind.REFUSED:
        return sorted({code.meaning for code in verdict.codes})
    return [*verdict.refusals, *filter(None, [verdict.advice])]


class Outbox:
    """The encoded results that wait for the collector."""

    def __init__(self, metrics: Metrics, version: str) -> None:
        self._metrics = metrics
        exporter = msgspec.json.encode({"version": version, "host": socket.gethostname()[:255]})
        self._head, self._tail = b'{"exporter":' + exporter + b',"results":[', b"]}"
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()
        self._size, self._pause = BATCH, FIRST_PAUSE
        self._link: CollectorSettings | None = None
        self._is_failing = False

    def use(self, link: CollectorSettings | None) -> None:
        """Post to this collector from now on. None: discard all results."""
        self._link = link if link is not None and link.post else None
        if self._link is None:
            self._waiting.clear()
            self._bytes = 0
            self._metrics.results_waiting.set(0)

    def put(self, change: Change) -> None:
        """Keep a change until it is sent. Drop the oldest when too many wait."""
        if self._link is None:
            return
        result = msgspec.json.encode(result_of(change))
        while len(self._waiting) >= MAX_WAITING or self._bytes + len(result) > MAX_WAITING_BYTES:
            self._bytes -= len(self._waiting.popleft())
            self._metrics.results.labels("dropped").inc()
        self._waiting.append(result)
        self._bytes += len(result)
        self._metrics.results_waiting.set(len(self._waiting))
        self._arrived.set()

    async def run(self) -> None:
        """Send until cancelled, then try once more to send the waiting results."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT_SECONDS)) as session:
            try:
                while True:
                    if not self._waiting:
                        self._arrived.clear()
                        await self._arrived.wait()
                        await asyncio.sleep(GATHER_SECONDS)
                    wait = await self._send_some(session)
                    if wait:
                        await asyncio.sleep(wait)
            except asyncio.CancelledError:
                await self._send_last(session)
                raise

    async def _send_last(self, session: aiohttp.ClientSession) -> None:
        try:
            async with asyncio.timeout(STOP_SECONDS):
                while self._waiting and not await self._send_some(session):
                    pass
        except TimeoutError:
            pass
        if self._waiting:
            log.warning("results were not posted", extra={"fields": {"waiting": len(self._waiting)}})

    async def _send_some(self, session: aiohttp.ClientSession) -> float:
        """Send one batch. Return the seconds to wait before the next."""
        batch = self._batch()
        answer = await self._send(session, batch)
        self._note(answer)
        if answer.is_taken:
            rejected = min(answer.rejected, len(batch))
            if rejected:
                log.warning("the collector rejected results", extra={"fields": {"rejected": rejected}})
                self._metrics.results.labels("rejected").inc(rejected)
            self._forget(batch, "sent", len(batch) - rejected)
            self._pause, self._size = FIRST_PAUSE, min(BATCH, 2 * self._size)
        elif answer.is_refusal and len(batch) > 1:
            self._size = len(batch) // 2
        elif answer.is_refusal:
            log.warning("the collector refused a result", extra={"fields": {"status": answer.status}})
            self._forget(batch, "refused", len(batch))
        else:
            wait = max(answer.retry_after, self._pause * random.uniform(0.5, 1))  # noqa: S311 - only spreads
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            return wait
        return 0.0

    def _note(self, answer: PostResult) -> None:
        """Log once that the collector does not take results, and once that it does again."""
        is_failing = not (answer.is_taken or answer.is_refusal)
        if is_failing and not self._is_failing:
            fields = {"status": answer.status, "is_collectors": answer.is_collectors}
            log.warning("the collector does not take results", extra={"fields": fields})
        elif self._is_failing and not is_failing:
            log.info("the collector takes results again")
        self._is_failing = is_failing

    def _batch(self) -> list[bytes]:
        """Return the oldest results, as many as one request may hold, but at least one."""
        batch: list[bytes] = []
        room = BATCH_BYTES - len(self._head) - len(self._tail)
        for result in islice(self._waiting, self._size):
            room -= len(result) + 1
            if batch and room < 0:
                break
            batch.append(result)
        return batch

    def _forget(self, batch: list[bytes], result: str, count: int) -> None:
        sent = {id(one) for one in batch}
        left = 0
        while self._waiting and id(self._waiting[0]) in sent:
            self._bytes -= len(self._waiting.popleft())
            left += 1
        # Some may have been dropped meanwhile, and are counted as dropped.
        self._metrics.results.labels(result).inc(min(count, left))
        self._metrics.results_waiting.set(len(self._waiting))

    async def _send(self, session: aiohttp.ClientSession, batch: list[bytes]) -> PostResult:
        link = self._link
        if link is None:
            return PostResult(0)
        body = self._head + b",".join(batch) + self._tail
        headers = {"Content-Type": "application/json", _LENGTH_HEADER: str(len(body))}
        if link.token is not None:
            headers["Authorization"] = f"Bearer {link.token.get_secret_value()}"
        try:
            async with session.post(
                f"{link.url}/api/events/dnsbl", data=body, headers=headers, allow_redirects=False
            ) as answer:
                wait = answer.headers.get("Retry-After", "")
                retry_after = min(float(wait), LONGEST_PAUSE) if wait.isdecimal() else 0.0
                is_collectors = _VERSION_HEADER in answer.headers and _FAULT_HEADER not in answer.headers
                accepted, rejected = await _counts(answer) if answer.status == _TAKEN else (None, 0)
                is_taken = answer.status == _TAKEN and (is_collectors or accepted is not None)
                return PostResult(answer.status, retry_after, rejected, is_collectors, is_taken)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return PostResult(0)


async def _counts(answer: aiohttp.ClientResponse) -> tuple[int | None, int]:
    """Return how many results a 202 accepts and rejects.

    Return (None, 0) for a body that is not the collector's, or that cannot be read.
    """
    text = b""
    try:
        while len(text) < MAX_ANSWER_BYTES and (more := await answer.content.read(MAX_ANSWER_BYTES)):
            text += more
        found = msgspec.json.decode(text)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None, 0
    if not isinstance(found, dict) or not isinstance(found.get("accepted"), int):
        return None, 0
    rejected = found.get("rejected")
    return found["accepted"], len(rejected) if isinstance(rejected, list) else 0
