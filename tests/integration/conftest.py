"""Fixtures of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.house import House

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def house(any_dsn: str) -> Iterator[House]:
    """Yield a house on a new database of each tier."""
    made = House(any_dsn)
    yield made
    made.close()


@pytest.fixture
def our_jobs(house: House) -> None:
    """Yield a house whose roll-ups and retention the collector's own jobs do, not TimescaleDB Community."""
    if house.builds_itself:
        pytest.skip("TimescaleDB Community builds for itself (test_community.py)")
