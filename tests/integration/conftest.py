"""Fixtures of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.store.tiers import layout_of
from tests.integration.house import House

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def house(any_dsn: str) -> Iterator[House]:
    """On a fresh database."""
    made = House(any_dsn)
    if layout_of(made.connection).has_aggregates:
        made.close()
        pytest.skip("TimescaleDB Community builds for itself (test_community.py)")
    yield made
    made.close()
