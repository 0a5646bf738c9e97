"""Fixtures of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.house import House

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def house(any_dsn: str) -> Iterator[House]:
    """On a fresh database of any tier."""
    made = House(any_dsn)
    yield made
    made.close()


@pytest.fixture
def our_jobs(house: House) -> None:
    """For what the collector's own jobs do: they build roll-ups and let go of what is old where TimescaleDB Community
    does not.
    """
    if house.builds_itself:
        pytest.skip("TimescaleDB Community builds for itself (test_community.py)")
