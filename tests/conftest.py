"""Fixtures for every test: the real servers (tests/servers/fixtures.py), and the search for leaked secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests import canaries

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["tests.servers.fixtures"]

# No test asserts a duration, because a busy machine is not a failure.
settings.register_profile(
    "duckwatch", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("duckwatch")


@pytest.fixture(scope="session", autouse=True)
def nothing_leaks() -> Iterator[None]:
    """At the end of the run, no log, page or answer of a program under test holds a secret,
    address, subject or reply.
    """
    yield
    assert canaries.leaks() == []
