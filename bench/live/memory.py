"""How much memory the collector has while Grafana hangs, answers 500 or is gone, and events come steadily."""

from __future__ import annotations

import asyncio
import sys
import time
from statistics import median
from typing import TYPE_CHECKING, Any

from bench import corpus, load
from bench.live.sites import FAULTS, OFF
from bench.rounds import STEADY_CONNECTIONS, Sending, request, send

if TYPE_CHECKING:
    from bench.live.sites import Site, Sites

EVENTS_PER_SECOND = 500
SECONDS, QUICK_SECONDS = 420, 6
"""Live's windows fill for five minutes, so only what follows can be flat."""


async def measure(sites: Sites, is_quick: bool) -> dict[str, Any]:  # noqa: FBT001 - all parts are called alike
    """Return the resident memory by sixths of each run, for each fault and without Live."""
    seconds = QUICK_SECONDS if is_quick else SECONDS
    found = {}
    for fault in (OFF, *FAULTS):
        async with sites.with_fault(fault) as site:
            found[fault] = await _run(sites, site, seconds)
            print(f"memory {fault} {found[fault]}", file=sys.stderr, flush=True)
    return {"events_per_second": EVENTS_PER_SECOND, "seconds": seconds, "resident_mb": found}


async def _run(sites: Sites, site: Site, seconds: int) -> list[float]:
    """Return the median of each sixth of the run."""
    events = EVENTS_PER_SECOND * seconds
    made = corpus.paced(events, int(time.time() * 1000), EVENTS_PER_SECOND)
    file = sites.folder / "requests"
    file.write_bytes(load.pack([request(sites.token, body) for body in corpus.bodies(made, 100)]))
    sending = Sending(file, events, corpus.Rows([], []), STEADY_CONNECTIONS)
    sample: list[float] = []
    running = asyncio.ensure_future(send(site.service.url, sending, str(EVENTS_PER_SECOND / 100)))
    while not running.done():
        sample.append(site.resident_mb())
        await asyncio.wait([running], timeout=0.5)
    await running
    size = max(1, len(sample) // 6)
    return [round(median(sample[at : at + size]), 1) for at in range(0, size * 6, size)]
