"""Submissions become a batch: entries become rows, rejections become dead letters."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from collector.events.conversion import rows_of
from collector.events.model.batch import Batch, DeadLetter, SeenHeartbeat, TracedSubmission
from collector.events.model.event import MailEvent, identity
from collector.pipeline.letters import letter_of, rejection_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from collector.events.model.event import Identity, Source, Submission
    from collector.events.model.side_tables import Record

log = logging.getLogger(__name__)


def assemble(submissions: Iterable[Submission], public_ips: Mapping[str, str]) -> tuple[Batch, Counter[Source]]:
    """Return the batch of some submissions, each identity once, and the number of repeated events by source.

    Raise nothing.
    """
    events: dict[Identity, MailEvent] = {}
    records: dict[tuple[object, ...], Record] = {}
    repeated: Counter[Source] = Counter()
    heartbeats: dict[tuple[str, str, str], SeenHeartbeat] = {}
    letters: list[DeadLetter] = []
    traces: list[TracedSubmission] = []
    for submission in submissions:
        for entry in submission.entries:
            try:
                rows = rows_of(entry, submission, public_ips)
            except Exception:
                # The conversion promises to raise nothing. If it breaks that promise, one event must not hold the
                # others back.
                log.exception("an event could not be read")
                letters.append(letter_of(submission, rejection_of(entry)))
                continue
            for row in rows:
                if isinstance(row, MailEvent):
                    is_new = events.setdefault(identity(row), row) is row
                else:
                    is_new = records.setdefault((row.TABLE, *row.key), row) is row
                if not is_new:
                    repeated[submission.source] += 1
        letters.extend(letter_of(submission, rejection) for rejection in submission.rejections)
        if (heartbeat := submission.heartbeat) is not None:
            # Only the newest heartbeat of each process, in order of receipt: a plugin that sends single events adds one
            # to each submission.
            process = heartbeat.cluster, heartbeat.host, heartbeat.process
            heartbeats.pop(process, None)
            heartbeats[process] = SeenHeartbeat(heartbeat, submission.received_at, submission.request_id)
        if submission.trace is not None:
            traces.append(TracedSubmission(submission.trace, submission.received_at))
    return Batch(
        list(events.values()), letters, list(heartbeats.values()), list(records.values()), traces=traces
    ), repeated
