"""The arithmetic of limits, with the test's clock."""

from __future__ import annotations

import pytest

from collector.errors import OverloadedError, RateLimitedError
from collector.web.limits import EventRate, Inflight


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_events_below_the_rate_pass_for_ever() -> None:
    """Events at the rate are never refused."""
    clock = Clock()
    rate = EventRate(100, clock)
    for _ in range(50):
        rate.admit()
        rate.charge(100)
        clock.now += 1.001


def test_a_debt_is_paid_at_the_rate() -> None:
    """A debt is paid after the seconds in the answer, and not much earlier."""
    clock = Clock()
    rate = EventRate(100, clock)
    rate.charge(1000)
    with pytest.raises(RateLimitedError) as refusal:
        rate.admit()
    assert refusal.value.retry_after == 9
    clock.now += 8
    with pytest.raises(RateLimitedError):
        rate.admit()
    clock.now += 1.001
    rate.admit()


def test_rest_does_not_save_up_more_than_a_second() -> None:
    """A pause saves up at most one second's events."""
    clock = Clock()
    rate = EventRate(100, clock)
    clock.now += 86_400
    rate.admit()
    rate.charge(100)
    with pytest.raises(RateLimitedError) as refusal:
        rate.admit()
    assert refusal.value.retry_after == 1


def test_the_time_to_come_back_is_bounded() -> None:
    """Retry-After is at most a minute, also for a huge batch at a low rate."""
    rate = EventRate(1, Clock())
    rate.charge(1_000_000)
    with pytest.raises(RateLimitedError) as refusal:
        rate.admit()
    assert refusal.value.retry_after == 60


def test_no_rate_is_no_limit() -> None:
    """Without a rate there is no limit, which is the default."""
    rate = EventRate(None, Clock())
    rate.charge(10**9)
    rate.admit()


def test_a_lease_gives_back_what_it_took_once() -> None:
    """A lease gives back what it took exactly once."""
    inflight = Inflight(100)
    lease, other = inflight.lease(), inflight.lease()
    lease.grow(60)
    other.grow(40)
    with pytest.raises(OverloadedError) as refusal:
        lease.grow(1)
    assert refusal.value.retry_after == 1
    assert inflight.used == 100
    lease.release()
    lease.release()
    assert inflight.used == 40
    other.release()
    assert inflight.used == 0
