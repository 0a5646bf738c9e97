"""The current verdict of each target at each list: the last real one, kept through errors for three intervals. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from exporters.dnsbl.verdicts.verdict import Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporters.dnsbl.schedule import Pair

KEPT_INTERVALS: Final = 3

SET_BACK_MS: Final = 60_000
"""If the calendar clock falls back by more than this, the earlier time was wrong: stamps follow the new time."""


class Moment(NamedTuple):
    """A time by the monotonic clock (seconds) and by the calendar (ms since the epoch)."""

    clock: float
    epoch_ms: int


@dataclass(slots=True)
class PairState:
    """One pair's state. `real` is the last real verdict while it is kept, `lapsed` the one that is too old to keep."""

    last: Verdict
    checked: Moment
    real: Verdict | None = None
    lapsed: Verdict | None = None
    real_at: float = 0.0
    since_ms: int | None = None
    reason: str | None = None
    reason_at: float = 0.0
    told_ms: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a pair's verdict, as it is posted to the collector (docs/dnsbl.md, "What it posts")."""

    time_ms: int
    pair: Pair
    verdict: Verdict
    previous: VerdictKind | None
    standing: VerdictKind | None
    since_ms: int | None
    reason: str | None


class CurrentVerdicts:
    """The state of all pairs. `record` and `lapse` return the changes that they make."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], PairState] = {}

    def row(self, target: str, zone: str) -> PairState | None:
        """Return the state of a pair, None if it has no verdict yet."""
        return self._rows.get((target, zone))

    def standing(self, target: str, zone: str) -> VerdictKind | None:
        """Return the current verdict of a pair: listed, clean, or None."""
        row = self._rows.get((target, zone))
        return row.real.kind if row is not None and row.real is not None else None

    def record(self, pair: Pair, verdict: Verdict, now: Moment, reason: str | None = None) -> Change | None:
        """Record a verdict. Return the change, None if nothing changed."""
        key = _key(pair)
        row = self._rows.get(key)
        previous = row.last if row is not None else None
        if row is None:
            row = self._rows[key] = PairState(verdict, now)
        row.last, row.checked = verdict, now
        stood = row.real.kind if row.real is not None else None
        is_new_reason = False
        if verdict.kind.is_real:
            if row.real is None or row.real.kind is not verdict.kind:
                row.since_ms = now.epoch_ms
            row.real, row.lapsed, row.real_at = verdict, None, now.clock
            is_new_reason = verdict.kind is VerdictKind.LISTED and reason is not None and reason != row.reason
            if verdict.kind is VerdictKind.CLEAN:
                row.reason = None
            elif reason is not None:
                row.reason, row.reason_at = reason, now.clock
        if previous is None:
            return self._tell(row, pair, now, None)
        stands_again = verdict.kind.is_real and stood is None
        # The collector rejects times that are hours ahead. After the clock is corrected, the verdict is sent again.
        was_ahead = now.epoch_ms < row.told_ms - SET_BACK_MS
        is_new = previous.kind is not verdict.kind or previous.codes != verdict.codes
        if is_new or is_new_reason or stands_again or was_ahead:
            return self._tell(row, pair, now, previous.kind)
        return None

    def _tell(self, row: PairState, pair: Pair, now: Moment, previous: VerdictKind | None) -> Change:
        row.told_ms = _stamp(now.epoch_ms, row.told_ms)
        if row.since_ms is not None:
            row.since_ms = min(row.since_ms, row.told_ms)
        is_listed = row.last.kind is VerdictKind.LISTED
        return Change(
            row.told_ms,
            pair,
            row.last,
            previous,
            row.real.kind if row.real is not None else None,
            row.since_ms,
            row.reason if is_listed else None,
        )

    def lapse(self, pairs: Iterator[Pair], now: Moment) -> list[Change]:
        """Drop real verdicts that are older than three intervals. Return the changes."""
        changes = []
        for pair in pairs:
            row = self._rows.get(_key(pair))
            if row is not None and row.real is not None and now.clock - row.real_at > KEPT_INTERVALS * pair.interval:
                row.real, row.lapsed, row.since_ms, row.reason = None, row.real, None, None
                changes.append(self._tell(row, pair, now, row.last.kind))
        return changes

    def forget(self, pair: Pair) -> None:
        """Forget a pair that is no longer checked."""
        self._rows.pop(_key(pair), None)


def _stamp(now_ms: int, last_ms: int) -> int:
    """Return the time of a pair's next change. Two changes of a pair never have the same time: it identifies them."""
    return last_ms + 1 if last_ms - SET_BACK_MS <= now_ms <= last_ms else now_ms


def _key(pair: Pair) -> tuple[str, str]:
    assert pair.target is not None
    return (pair.target.text, pair.dns_list.zone)
