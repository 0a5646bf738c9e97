"""How long the oldest request has been in the journal."""

from __future__ import annotations

from collector.journal.age import OldestAge


def test_a_receipt_in_the_future_hides_no_wait() -> None:
    """The clock was ahead when the request came: its age grows all the same, and an alert on it fires."""
    now, passed, oldest = 1000.0, 0.0, 2_000_000
    age = OldestAge(lambda: oldest, lambda: now, lambda: passed)
    assert age() == 0
    now, passed = now + 300, 300.0
    assert age() == 300
    oldest = 1_250_000
    assert age() == 50


def test_an_empty_journal_has_no_age() -> None:
    """The next request is watched from its own receipt on."""
    oldest: int | None = 1_000_000
    passed = 0.0
    age = OldestAge(lambda: oldest, lambda: 1000.0, lambda: passed)
    assert age() == 0
    oldest = None
    assert age() is None
    oldest, passed = 1_000_000, 500.0
    assert age() == 0
