"""promtool and amtool as fixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.alert_rules.rules import tool
from tests.servers.fixtures import need

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def promtool() -> Path:
    return need(lambda: tool("promtool"))


@pytest.fixture(scope="session")
def amtool() -> Path:
    return need(lambda: tool("amtool"))
