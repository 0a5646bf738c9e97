"""Current verdicts in simulated time: errors and refusals change no verdict, which is kept for three intervals."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from exporters.dnsbl.checking.current_verdicts import KEPT_INTERVALS, Change, CurrentVerdicts, Moment
from exporters.dnsbl.lists import DnsList, Severity
from exporters.dnsbl.lists.names import target
from exporters.dnsbl.schedule import Pair
from exporters.dnsbl.verdicts.verdict import CLEAN, UNHEALTHY, AnswerCode, Verdict, VerdictKind

INTERVAL = 300.0
PAIR = Pair(target("192.0.2.1"), DnsList("bl.example"), INTERVAL)
SPAM = Verdict(VerdictKind.LISTED, "listed", (AnswerCode("127.0.0.2", "spam", Severity.CRITICAL),))
PROXY = Verdict(VerdictKind.LISTED, "listed", (AnswerCode("127.0.0.4", "proxy", Severity.WARNING),))
REFUSED = Verdict(VerdictKind.REFUSED, "refused_code")
TIMEOUT = Verdict(VerdictKind.ERROR, "timeout")

STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 10.0, INTERVAL, KEPT_INTERVALS * INTERVAL, KEPT_INTERVALS * INTERVAL + 1]),
        st.sampled_from([SPAM, PROXY, CLEAN, REFUSED, TIMEOUT, UNHEALTHY]),
        st.sampled_from([None, "why", "still"]),
    ),
    max_size=30,
)


@given(STEPS)
def test_what_stands_is_the_last_real_verdict_of_three_intervals(
    steps: list[tuple[float, Verdict, str | None]],
) -> None:
    """The current verdict is the last real one of three intervals; a lapsed one is remembered until the next."""
    current, now = CurrentVerdicts(), 0.0
    real: tuple[Verdict, float] | None = None
    for wait, verdict, reason in steps:
        now += wait
        current.lapse(iter([PAIR]), Moment(now, int(now * 1000)))
        current.record(PAIR, verdict, Moment(now, int(now * 1000)), reason)
        if verdict.kind.is_real:
            real = verdict, now
        row = current.row("192.0.2.1", "bl.example")
        assert row is not None
        stands = real is not None and now - real[1] <= KEPT_INTERVALS * INTERVAL
        assert row.real == (real[0] if real is not None and stands else None)
        assert row.lapsed == (real[0] if real is not None and not stands else None)


@given(STEPS)
def test_changes_tell_everything_once(steps: list[tuple[float, Verdict, str | None]]) -> None:
    """Each new verdict, changed code or reason, and lapse is one change, with a time of its own."""
    current, now = CurrentVerdicts(), 0.0
    told: list[Change] = []
    for wait, verdict, reason in steps:
        now += wait
        told += current.lapse(iter([PAIR]), Moment(now, int(now * 1000)))
        change = current.record(PAIR, verdict, Moment(now, int(now * 1000)), reason)
        told += [change] if change is not None else []
        row = current.row("192.0.2.1", "bl.example")
        assert row is not None
        assert told[-1].verdict.kind is verdict.kind
        assert told[-1].standing is (row.real.kind if row.real is not None else None)
        assert told[-1].since_ms == row.since_ms
    times = [change.time_ms for change in told]
    assert times == sorted(set(times))
    assert all(before.verdict.kind is after.previous for before, after in itertools.pairwise(told))


def test_a_clock_that_was_ahead_stamps_no_later_change() -> None:
    """After a clock that was ahead, changes have the right time; set back by less than a minute, times still grow."""
    current, hours = CurrentVerdicts(), 20 * 3_600_000
    times = []
    for number, (at, verdict) in enumerate([(hours, SPAM), (1000, CLEAN), (2000, SPAM), (1500, CLEAN)]):
        change = current.record(PAIR, verdict, Moment(float(number), at))
        assert change is not None
        assert change.since_ms is not None
        assert change.since_ms <= change.time_ms
        times.append(change.time_ms)
    assert times == [hours, 1000, 2000, 2001]


def test_what_stands_since_a_time_in_the_future_stands_since_now() -> None:
    """A verdict that began in the future, by a clock that was ahead, counts as begun now."""
    current = CurrentVerdicts()
    current.record(PAIR, SPAM, Moment(0.0, 20 * 3_600_000))
    change = current.record(PAIR, PROXY, Moment(1.0, 1000))
    assert change is not None
    assert change.since_ms == 1000


def test_what_was_told_by_a_clock_that_was_ahead_is_told_again() -> None:
    """A change with a time from a clock that was ahead is sent once more, because the collector has rejected it."""
    current = CurrentVerdicts()
    current.record(PAIR, SPAM, Moment(0.0, 20 * 3_600_000))
    told = [current.record(PAIR, SPAM, Moment(float(n), n * 1000)) for n in (1, 2)]
    assert told[0] is not None
    assert (told[0].time_ms, told[0].standing, told[0].since_ms) == (1000, VerdictKind.LISTED, 1000)
    assert told[1] is None
