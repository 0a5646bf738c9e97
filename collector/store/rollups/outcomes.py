"""Roll-ups of the outcomes of delivery attempts: by attempt, by recipient domain, by the reply's pattern.

On every tier they are tables that the collector builds. A continuous aggregate cannot rank its rows, so it cannot bound
them (docs/storage.md, "Outcomes").
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from collector.store.rollups.building import WIDTHS, Rollup, Width

if TYPE_CHECKING:
    from typing import LiteralString

OUTCOMES: Final = (
    Width(
        "attempts_5m",
        timedelta(minutes=5),
        (
            Rollup(
                "attempt_stats_5m",
                "attempt_stats",
                "mail_events",
                "time",
                "attempt_stats_5m_erased",
                ("attempt_stats_1h", "attempt_stats_5m"),
            ),
        ),
        at_a_time=12,
        pause=timedelta(minutes=1),
        hours="attempts_1h",
    ),
    Width(
        "attempts_1h",
        timedelta(hours=1),
        (Rollup("attempt_stats_1h", "attempt_stats_1h", "attempt_stats_5m", "bucket"),),
        at_a_time=24,
        pause=timedelta(0),
    ),
    Width(
        "providers_5m",
        timedelta(minutes=5),
        (Rollup("provider_stats_5m", "provider_stats_5m", "attempt_stats_5m", "bucket"),),
        at_a_time=288,
        pause=timedelta(0),
    ),
    Width(
        "providers_1h",
        timedelta(hours=1),
        (Rollup("provider_stats_1h", "provider_stats_1h", "attempt_stats_1h", "bucket"),),
        at_a_time=24,
        pause=timedelta(0),
    ),
    Width(
        "zones_5m",
        timedelta(minutes=5),
        (Rollup("zone_stats_5m", "zone_stats_5m", "attempt_stats_5m", "bucket"),),
        at_a_time=288,
        pause=timedelta(0),
    ),
    Width(
        "zones_1h",
        timedelta(hours=1),
        (Rollup("zone_stats_1h", "zone_stats_1h", "attempt_stats_1h", "bucket"),),
        at_a_time=24,
        pause=timedelta(0),
    ),
    Width(
        "attempts_1d",
        timedelta(days=1),
        (Rollup("attempt_stats_1d", "attempt_stats_1d", "attempt_stats_1h", "bucket"),),
        at_a_time=1,
        pause=timedelta(minutes=5),
    ),
    Width(
        "outcomes_1h",
        timedelta(hours=1),
        (
            Rollup(
                "recipient_stats_1h",
                "recipient_stats",
                "mail_events",
                "time",
                "recipient_stats_1h_erased",
                ("recipient_stats_bounded", "recipient_stats_1h"),
            ),
            Rollup(
                "pattern_stats_1h",
                "pattern_stats",
                "mail_events",
                "time",
                "pattern_stats_1h_erased",
                ("pattern_stats_bounded", "pattern_stats_1h"),
            ),
        ),
        at_a_time=1,
        pause=timedelta(minutes=5),
        after=("forget_patterns", "know_patterns"),
    ),
    Width(
        "recipients_1d",
        timedelta(days=1),
        (Rollup("recipient_stats_1d", "recipient_stats_1d", "recipient_stats_1h", "bucket"),),
        at_a_time=1,
        pause=timedelta(minutes=5),
    ),
)
"""In building order. Those of `outcomes_1h` read whole hours of events: which rows are kept is decided by the hour.

The trigger of migrations 0025 and 0026 marks the buckets that are built from another roll-up, except those of
`attempts_1h`.
"""

ERASED: Final[dict[LiteralString, LiteralString]] = {
    rollup.relation: rollup.erased
    for width in (*WIDTHS, *OUTCOMES)
    for rollup in width.rollups
    if rollup.erased is not None
}
"""By relation, the table with the counts of rows that were deleted by hand."""

RELATIONS: Final = frozenset(rollup.relation for width in OUTCOMES for rollup in width.rollups)
"""These are tables on every tier."""
