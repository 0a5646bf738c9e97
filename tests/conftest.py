"""What every test may ask for: the real servers (tests/servers/fixtures.py)."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.servers.fixtures"]

# No time is asserted in tests, and a busy machine is no failure.
settings.register_profile(
    "duckwatch", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("duckwatch")
