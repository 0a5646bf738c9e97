"""A push is tried once, within its time, and its result is one of a closed set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.live.pushing import Pusher, PushResult
from tests.servers.grafana_live import TOKEN, GrafanaLive, grafana_live
from tests.servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def grafana() -> Iterator[GrafanaLive]:
    """Yield the endpoint."""
    with grafana_live() as endpoint:
        yield endpoint


def test_results(grafana: GrafanaLive) -> None:
    """A body is pushed once; a refusal, a bad token, a hanging Grafana and one that is away each have their result."""
    token = TOKEN
    pusher = Pusher(f"{grafana.url}/", "duckwatch", lambda: token, seconds=0.5)
    try:
        assert pusher.push("m a=1 1000000\n") is PushResult.PUSHED
        assert pusher.push("m a=\n") is PushResult.REFUSED
        token = "another"
        assert pusher.push("m a=1 1000000\n") is PushResult.UNAUTHORIZED
        token = TOKEN
        grafana.fault = 500
        assert pusher.push("m a=1 1000000\n") is PushResult.REFUSED
        assert [push.status for push in grafana.pushes] == [200, 500, 401, 500]
        grafana.fault = None
        grafana.hang.set()
        assert pusher.push("m a=1 1000000\n") is PushResult.TIMEOUT
        grafana.hang.clear()
        assert pusher.push("m a=2 1000000\n") is PushResult.PUSHED
    finally:
        pusher.close()


def test_nothing_listens() -> None:
    """A Grafana that is away has its result at once."""
    pusher = Pusher(f"http://127.0.0.1:{free_port()}", "duckwatch", lambda: TOKEN)
    assert pusher.push("m a=1 1\n") is PushResult.UNREACHABLE
    pusher.close()


def test_a_path_before_the_api_is_kept() -> None:
    """A Grafana under a path of its own is pushed to there."""
    pusher = Pusher("https://mail.example/grafana/", "s1", lambda: TOKEN)
    assert pusher._url == "https://mail.example/grafana/api/live/push/s1"
    pusher.close()
