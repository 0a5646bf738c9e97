"""Requests become a batch: entries become rows, rejections become letters."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from collector.events.batch import Batch, DeadLetter, SeenReport, Traced
from collector.events.model import Rejection, RejectReason, identity
from collector.events.sources import zonemta

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from collector.events.model import Entry, Identity, MailEvent, Request, Source

log = logging.getLogger(__name__)

KEPT_CHARACTERS = 65536
"""A dead letter keeps this much of its event."""


def assemble(requests: Iterable[Request], public_ips: Mapping[str, str]) -> tuple[Batch, Counter[Source]]:
    """Returns the batch of some requests, each identity once, and how many events by source repeated one of it. Never raises."""
    rows: dict[Identity, MailEvent] = {}
    repeated: Counter[Source] = Counter()
    reports: dict[tuple[str, str, str], SeenReport] = {}
    letters: list[DeadLetter] = []
    traces: list[Traced] = []
    for request in requests:
        received_at, source = request.received_at, request.source
        for entry in request.entries:
            try:
                event = zonemta.mail_event(entry, source=source, received_at=received_at, public_ips=public_ips)
            except Exception:
                # It promises not to raise. If it breaks that, one event must not hold the others back.
                log.exception("an event could not be read")
                letters.append(letter(request, rejection_of(entry)))
                continue
            if rows.setdefault(identity(event), event) is not event:
                repeated[source] += 1
        letters.extend(letter(request, rejection) for rejection in request.rejections)
        if (report := request.report) is not None:
            # Only the newest of each process: a plugin that sends single events reports with each of them.
            reports[report.cluster, report.host, report.process] = SeenReport(report, received_at)
        if request.trace is not None:
            traces.append(Traced(request.trace, received_at))
    return Batch(list(rows.values()), letters, list(reports.values()), traces=traces), repeated


def rejection_of(entry: Entry) -> Rejection:
    """Returns what sets an entry aside that our own reading failed on."""
    event = {"time": entry.time, "context": entry.context, "host": entry.host, "entry": entry.fields}
    raw = msgspec.json.encode(event).decode()[:KEPT_CHARACTERS]
    return Rejection(entry.index, RejectReason.UNREAD, "the collector failed on it", entry.cluster, raw)


def letter(request: Request, rejection: Rejection) -> DeadLetter:
    """Returns the letter of a rejection. Its id holds the place in the request, so one request's rejections differ."""
    return DeadLetter(
        letter_id=f"{request.request_id}:{rejection.index}",
        received_at=request.received_at,
        cluster=rejection.cluster,
        source=request.source,
        reason=rejection.reason,
        error=rejection.error,
        raw=rejection.raw,
    )
