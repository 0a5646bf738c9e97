"""The check of the roll-ups: a sample of closed buckets is compared with their events."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from collector.finding import fault, ok, skipped, warning
from collector.store.database.connection import scalar
from collector.store.database.tiers import layout_of
from collector.store.migrations import pending
from collector.store.rollups.comparison import compare_buckets
from collector.store.rollups.outcomes import RELATIONS as OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collector.finding import Finding
    from collector.operations.doctor.installation import Installation
    from collector.store.rollups.comparison import BucketComparison


def rollups(installation: Installation) -> Iterator[Finding]:
    """Check that closed buckets count the events that are in the table."""
    with installation.database() as connection:
        if scalar(connection, "SELECT to_regclass('mail_events')") is None or pending(connection):
            yield skipped("there are migrations to apply first")
            return
        has_aggregates = layout_of(connection).has_aggregates
        found = list(compare_buckets(connection, installation.settings.retention, datetime.now(UTC), random.Random()))  # noqa: S311  # a sample
    yield from judge_buckets(found, has_aggregates=has_aggregates)


def judge_buckets(compared: Sequence[BucketComparison], *, has_aggregates: bool) -> Iterator[Finding]:
    """Yield the faults of a sample's buckets, or the finding that there are none."""
    wrong = [one for one in compared if one.is_different]
    more = [one for one in wrong if one.found > one.wanted]
    less = [one for one in wrong if one.found <= one.wanted]
    if not compared:
        yield ok(
            "no closed bucket was compared: none holds an event yet, or reading one takes longer than three seconds"
        )
    elif not wrong:
        yield ok(f"{len(compared)} samples of closed buckets equal their events")
    if less:
        refreshed = [one for one in less if has_aggregates and one.relation not in OUTCOMES]
        yield fault(
            _said(refreshed or less, len(compared)),
            _refresh(refreshed[0]) if refreshed else _mark(less, alone=bool(more)),
        )
    if more:
        yield warning(
            f"{_said(more, len(compared))}: rows were deleted that are not kept in the tables *_erased",
            "leave them: built from the rows that are left, these buckets would lose history",
        )


def _said(wrong: Sequence[BucketComparison], looked_at: int) -> str:
    one = wrong[0]
    return (
        f"{len(wrong)} of {looked_at} samples of closed buckets differ from their events: {one.relation} from "
        f"{one.start:%Y-%m-%d %H:%M} UTC on counts {one.found}, there are {one.wanted}"
    )


def _mark(wrong: Sequence[BucketComparison], *, alone: bool) -> str:
    """Return the statement that makes the job build the buckets.

    `alone` limits it to the first one, because others beside it must stay as they are.
    """
    chosen = wrong[:1] if alone else wrong
    start, end = min(one.start for one in chosen), max(one.end for one in chosen)
    return (
        f"INSERT INTO touched_buckets SELECT generate_series('{start:%Y-%m-%d %H:%M}+00', "
        f"'{end:%Y-%m-%d %H:%M}+00'::timestamptz - "
        "interval '15 seconds', interval '15 seconds'); a running collector builds them within minutes; then ask again"
    )


def _refresh(one: BucketComparison) -> str:
    return (
        "ask again in five minutes, a late event may wait for the next refresh; if it stays: CALL "
        "refresh_continuous_aggregate("
        f"'{one.relation}', '{one.start:%Y-%m-%d %H:%M}+00', '{one.end:%Y-%m-%d %H:%M}+00', force => true)"
    )
