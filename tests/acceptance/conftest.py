"""The world of the acceptance tests, started once for each of their files."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.world import World
from tests.servers.fixtures import need

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, server_logs: Path) -> Iterator[World]:
    """ZoneMTA, collector, TimescaleDB and Prometheus, running; the servers' logs stay in pytest's folder."""
    world = need(lambda: World(tmp_path_factory.mktemp("world"), server_logs))
    with contextlib.ExitStack() as stack:
        stack.callback(world.stop)
        world.start()
        yield world
