"""The age of the journal's oldest request."""

from __future__ import annotations

from collector.journal.age import OldestAge


def test_a_receipt_in_the_future_hides_no_wait() -> None:
    """A request with a receipt in the future still ages, so that an alert on it fires."""
    now, passed, oldest = 1000.0, 0.0, 2_000_000
    age = OldestAge(lambda: oldest, lambda: now, lambda: passed)
    assert age() == 0
    now, passed = now + 300, 300.0
    assert age() == 300
    oldest = 1_250_000
    assert age() == 50


def test_an_empty_journal_has_no_age() -> None:
    """An empty journal has no age, and the next request's age begins at its receipt."""
    oldest: int | None = 1_000_000
    passed = 0.0
    age = OldestAge(lambda: oldest, lambda: 1000.0, lambda: passed)
    assert age() == 0
    oldest = None
    assert age() is None
    oldest, passed = 1_000_000, 500.0
    assert age() == 0
