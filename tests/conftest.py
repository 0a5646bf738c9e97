"""What every test may ask for: the real servers (tests/servers/fixtures.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests import canaries

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["tests.servers.fixtures"]

# No time is asserted in tests, and a busy machine is no failure.
settings.register_profile(
    "duckwatch", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("duckwatch")


@pytest.fixture(scope="session", autouse=True)
def nothing_leaks() -> Iterator[None]:
    """At the end of the run: no secret, address, subject or reply stands in any log,
    page or answer of a collector under test.
    """
    yield
    assert canaries.leaks() == []
