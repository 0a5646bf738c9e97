"""Fixtures: the paths of promtool and amtool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.alert_rules.rules import tool
from tests.servers.fixtures import need

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Return the path of promtool. Without it, skip the test, or fail in CI."""
    return need(lambda: tool("promtool"))


@pytest.fixture(scope="session")
def amtool() -> Path:
    """Return the path of amtool. Without it, skip the test, or fail in CI."""
    return need(lambda: tool("amtool"))
