"""The page at `/`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.unit.web.wire import ask, head

if TYPE_CHECKING:
    from tests.unit.web.conftest import ServerStarter


async def test_the_front_page_says_what_this_is_how_it_is_and_where_to_go(serve: ServerStarter) -> None:
    """The front page shows what this is, its state and links, without a credential and also while not ready."""
    async with serve() as served:
        reply = await ask(served.port, head("GET /"))
        page = reply.body.decode()
        assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "It is well." in page
        assert all(f'href="{path}"' in page for path in ("metrics", "readyz", "healthz"))
        served.checks["store"] = "disk_full"
        assert "something is wrong" in (await ask(served.port, head("GET /"))).body.decode()
        served.checks["journal"] = "full<b>"
        reply = await ask(served.port, head("GET /"))
        page = reply.body.decode()
        assert reply.status == 200
        assert all(word in page for word in ("cannot take events", "disk_full", "full&lt;b&gt;", "docs/operations.md"))


async def test_the_front_page_loads_nothing_and_runs_nothing(serve: ServerStarter) -> None:
    """The front page has a strict policy, no script, no secret, and fits a phone."""
    async with serve() as served:
        reply = await ask(served.port, head("GET /"))
    page = reply.body.decode()
    assert reply.headers["content-security-policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert not re.search(r"<script|src=|https?://|127\.0\.0\.1|@import|url\(", page)
    assert '<meta name="viewport" content="width=device-width' in page
    assert all(path in {"metrics", "readyz", "healthz"} for path in re.findall(r'href="([^"]*)"', page))


async def test_the_front_page_is_read_only(serve: ServerStarter) -> None:
    """The front page refuses POST."""
    async with serve() as served:
        reply = await ask(served.port, head("POST /", "Content-Length: 0"))
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")
