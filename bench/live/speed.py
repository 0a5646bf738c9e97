"""How fast events are stored while Grafana hangs, answers 500 or is gone, beside a collector without Live."""

from __future__ import annotations

import sys
import time
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from bench import corpus, load
from bench.live.sites import FAULTS, OFF
from bench.rounds import HUNDREDS_CONNECTIONS, Sending, request, send

if TYPE_CHECKING:
    from bench.live.sites import Sites

EVENTS, QUICK_EVENTS = 150_000, 10_000
PAIRS, QUICK_PAIRS = 5, 1
WITHIN_SECONDS: Final = 200
"""The events are spread over this long before their preparation, so that Live's windows count them all."""

AGAIN: Final = "off_again"
"""A second run without Live in each turn: how much two runs differ that are the same."""


async def measure(sites: Sites, is_quick: bool) -> dict[str, Any]:  # noqa: FBT001 - all parts are called alike
    """Return events a second of each turn, and each fault's ratio to the run without Live in its turn."""
    events, turns = (QUICK_EVENTS, QUICK_PAIRS) if is_quick else (EVENTS, PAIRS)
    modes = [OFF, *FAULTS, AGAIN]
    rates: dict[str, list[float]] = {mode: [] for mode in modes}
    for turn in range(turns):
        sending = _prepare(sites, events)
        # Each mode comes at another place of each turn.
        for mode in modes[turn:] + modes[:turn]:
            async with sites.with_fault(OFF if mode == AGAIN else mode) as site:
                site.table.clear()
                result = await send(site.service.url, sending)
                ended = site.table.wait_for(sending.rows.last_ids[-sending.connections :], events)
                rates[mode].append(events / (ended - result["began"]))
                print(f"speed {turn} {mode} {rates[mode][-1]:.0f}", file=sys.stderr, flush=True)
    return {
        "events_of_a_round": events,
        "stored_per_second": {mode: [round(rate) for rate in rates[mode]] for mode in modes},
        "to_off": {mode: _ratios(rates[mode], rates[OFF]) for mode in modes if mode != OFF},
    }


def _prepare(sites: Sites, events: int) -> Sending:
    now = time.time_ns() // 1_000_000
    made = corpus.paced(events, now - WITHIN_SECONDS * 1000, -(-events // WITHIN_SECONDS))
    bodies = list(corpus.bodies(made, 100))
    file = sites.folder / "requests"
    file.write_bytes(load.pack([request(sites.token, body) for body in bodies]))
    last = corpus.rows(bodies[-HUNDREDS_CONNECTIONS:], now)
    return Sending(file, events, last, HUNDREDS_CONNECTIONS)


def _ratios(rates: list[float], others: list[float]) -> dict[str, Any]:
    pairs = [rate / other for rate, other in zip(rates, others, strict=True)]
    return {"median": round(median(pairs), 3), "pairs": [round(pair, 3) for pair in pairs]}
