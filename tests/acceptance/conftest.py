"""The servers of the acceptance tests, started once for each test module."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.world import World
from tests.oracle.rollups import assert_rolled_up
from tests.servers.fixtures import need

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, server_logs: Path
) -> Iterator[World]:
    """Yield the running servers, and check the roll-ups afterwards. The servers' logs stay in pytest's folder."""
    wanted = {
        "small": getattr(request.module, "SMALL_WORLD", False),
        "backed_up": getattr(request.module, "BACKED_UP", False),
        "with_wildduck": getattr(request.module, "WITH_WILDDUCK", False),
    }
    world = need(lambda: World(tmp_path_factory.mktemp("world"), server_logs, **wanted))
    with contextlib.ExitStack() as stack:
        stack.callback(world.stop)
        world.start()
        yield world
        assert_rolled_up(world.dsn)
