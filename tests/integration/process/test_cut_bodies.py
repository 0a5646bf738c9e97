"""A proxy that cuts bodies and corrects `Content-Length`, between real plugin and collector, loses no event."""

from __future__ import annotations

import http.server
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.servers.collector import Collector
from tests.servers.mta import Mta
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers


class CuttingProxy(http.server.ThreadingHTTPServer):
    """Forwards requests to `target` with at most `left` bytes of the body, as if that were all."""

    left: int | None = None

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.cut = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    server: CuttingProxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.left is not None and len(body) > self.server.left:
            body = body[: self.server.left]
            self.server.cut += 1
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in {"host", "content-length"}
        }
        request = urllib.request.Request(f"{self.server.target}{self.path}", data=body, headers=headers)
        try:
            answer: Any = urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as refusal:
            answer = refusal
        with answer:
            content = answer.read()
            self.send_response(answer.status)
            for name in ("Duckwatch-Version", "Duckwatch-Fault", "Retry-After"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def cutting(target: str) -> Iterator[CuttingProxy]:
    """Yield a proxy that listens on loopback."""
    with CuttingProxy(target) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


def test_a_batch_that_a_proxy_cuts_is_kept(postgres_dsn: str, tmp_path: Path, server_logs: Path) -> None:
    """A batch that a proxy cuts is sent again until it arrives whole."""
    collector = Collector(tmp_path / "collector", server_logs, postgres_dsn)
    collector.start()
    with cutting(collector.url) as proxy:
        url = f"http://127.0.0.1:{proxy.server_port}/api/events/ingest"
        proxy.left = 500
        mta = Mta({"url": url, "token": collector.token, "spool": str(tmp_path / "spool"), "cluster": "eu1"})
        ids = sorted(f"q{number}" for number in range(10, 60))
        mta.emit(ids)
        wait_until(lambda: proxy.cut > 1, "a batch is cut, and sent again")
        proxy.left = None

        def stored() -> list[str]:
            with psycopg.connect(postgres_dsn) as connection:
                return [row[0] for row in connection.execute("SELECT queue_id FROM mail_events ORDER BY 1")]

        wait_until(lambda: stored() == ids, lambda: f"{len(stored())} of {len(ids)} are stored: {mta.logs}")
        mta.kill()
    assert not list((tmp_path / "spool").glob("*rejected*"))
    assert collector.stop() == 0
