"""The command `health`: what it asks, what it prints, its exit codes, and that it starts without the program."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from collector.__main__ import main as collector
from collector.commands.health import HEALTH as COLLECTOR
from duckwatch.base import health
from exporters.dnsbl.__main__ import main as dnsbl
from exporters.dnsbl.commands.health import HEALTH as DNSBL

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def answering(status: int, body: bytes = b'{"ready": true}') -> Iterator[tuple[str, list[str]]]:
    """A server that answers each request alike. Yields HOST:PORT and the paths that were asked."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def test_the_exit_code_is_0_when_the_service_is_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The collector is asked at /readyz, the exporter at /healthz, at the address of their environment variable."""
    with answering(200) as (address, asked):
        monkeypatch.setenv("DUCKWATCH_COLLECTOR__LISTEN", address)
        monkeypatch.setenv("DUCKWATCH_DNSBL__LISTEN", address)
        assert (collector(["health"]), dnsbl(["health"])) == (0, 0)
    assert asked == ["/readyz", "/healthz"]
    assert capsys.readouterr().out == '{"ready": true}\n' * 2


def test_the_exit_code_is_1_when_it_is_not_ready(capsys: pytest.CaptureFixture[str]) -> None:
    """The answer is shown, because it names what is wrong."""
    with answering(503, b'{"ready": false}') as (address, _):
        assert collector(["health", "--url", f"http://{address}/readyz"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f'duckwatch-collector: http://{address}/readyz answers 503: {{"ready": false}}\n'


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("", "http://127.0.0.1:9626/readyz"),
        ("0.0.0.0:9700", "http://127.0.0.1:9700/readyz"),
        ("[::]:9700", "http://[::1]:9700/readyz"),
        ("null", "http://127.0.0.1:9626/readyz"),
        ('["192.0.2.1:9700", "127.0.0.1:9701"]', "http://192.0.2.1:9700/readyz"),
    ],
)
def test_the_url_follows_the_listening_address(listen: str, url: str) -> None:
    """An address that stands for every address is asked on loopback; of several addresses the first is asked."""
    assert COLLECTOR.url({"DUCKWATCH_COLLECTOR__LISTEN": listen}) == url


def test_a_collector_with_a_certificate_is_asked_by_https() -> None:
    """The exporter has no TLS."""
    certificate = {"DUCKWATCH_COLLECTOR__TLS__CERTIFICATE": "/run/cert.pem"}
    assert COLLECTOR.url(certificate) == "https://127.0.0.1:9626/readyz"
    assert DNSBL.url(certificate) == "http://127.0.0.1:9627/healthz"
    assert COLLECTOR.url(dict.fromkeys(certificate, "null")) == "http://127.0.0.1:9626/readyz"


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_another_server_is_no_answer(said: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that does not speak HTTP is one line and exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            line, _ = server.accept()
            with line:
                line.recv(4096)
                line.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        assert health.main(COLLECTOR, ["--url", f"http://127.0.0.1:{server.getsockname()[1]}/"]) == 1
        thread.join()
    assert capsys.readouterr().err.startswith("duckwatch-collector: no answer: ")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "127.0.0.1:9626"])
def test_only_http_is_asked(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Files are not read, though urllib could."""
    assert health.main(COLLECTOR, ["--url", url]) == 1
    assert "http" in capsys.readouterr().err


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container with http_proxy must still ask itself."""
    with answering(200) as (address, asked):
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        assert health.main(COLLECTOR, ["--url", f"http://{address}/readyz"]) == 0
    assert asked == ["/readyz"]


@pytest.mark.parametrize("program", ["collector", "exporters.dnsbl"])
def test_the_installed_command_starts_with_the_standard_library_only(program: str) -> None:
    """A health check every few seconds may not load the whole program."""
    code = (
        "import sys; sys.argv = ['x', 'health', '--url', 'http://127.0.0.1:1/']\n"
        f"from {program}.program import main\n"
        "code = main()\n"
        "ours = {'collector', 'duckwatch', 'exporters'}\n"
        "tops = {name.partition('.')[0] for name in sys.modules} - ours - {'__main__'}\n"
        "print(code, sorted(top for top in tops - set(sys.stdlib_module_names) if not top.startswith('_')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 []\n"
