"""What `push` says when no Grafana answers, or one whose answers cannot be used: one message, exit code 3, no token."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from grafana.__main__ import main
from tests.servers.grafana_stand_in import GrafanaStandIn
from tests.servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TLS = Path(__file__).parents[2] / "fixtures" / "tls"
TOKEN = "glsa_hostile-test-token"
HEALTHY = b'{"database": "ok"}'


class Listener:
    """Gives each connection to `serve`, with the path that it asks for. Speaks TLS with a certificate."""

    def __init__(
        self, serve: Callable[[socket.socket, bytes], None], certificate: str | None = None, host: str = "127.0.0.1"
    ) -> None:
        self._serve = serve
        self._context = None if certificate is None else ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self._context is not None:
            self._context.load_cert_chain(TLS / f"{certificate}.pem", TLS / f"{certificate}.key")
        self._socket = socket.create_server((host, 0))
        self._socket.settimeout(0.1)
        self._ended = Event()
        self.asked: list[bytes] = []
        """The head of each request."""
        self.port = self._socket.getsockname()[1]
        self._thread = Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(OSError):  # nobody came, or the other side has gone
                connection, _ = self._socket.accept()
                connection.settimeout(10)
                with self._secured(connection) as stream:
                    self._answer(stream)

    def _secured(self, connection: socket.socket) -> socket.socket:
        return connection if self._context is None else self._context.wrap_socket(connection, server_side=True)

    def _answer(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (more := connection.recv(1 << 16)):
                return
            head += more
        self.asked.append(head)
        self._serve(connection, head.split(b" ", 2)[1])


@pytest.fixture
def listening() -> Iterator[Callable[..., Listener]]:
    """Yield a function that starts a Listener. All stop at the end."""
    with contextlib.ExitStack() as stack:

        def start(serve: Callable[[socket.socket, bytes], None], **options: str) -> Listener:
            listener = Listener(serve, **options)
            stack.callback(listener.stop)
            return listener

        yield start


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def after_health(answer: bytes) -> Callable[[socket.socket, bytes], None]:
    """Answer as a Grafana that is well, and to everything else with these bytes."""
    return lambda connection, path: connection.sendall(http(HEALTHY) if path == b"/api/health" else answer)


@pytest.fixture
def pushed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return a function that pushes to a port, and returns the message. It asserts the exit code 3."""
    (tmp_path / "token").write_text(TOKEN)

    def push(url: str) -> str:
        code = main(["push", "--dry-run", "--push-url", url, "--token-file", str(tmp_path / "token")])
        out, err = capsys.readouterr()
        assert (code, out, err.count("\n")) == (3, "", 1), err
        assert err.startswith(f"duckwatch-dashboards: {url}")
        assert TOKEN not in err
        return err

    return push


LONG = b'{"message": "' + b"x" * 5000 + b'"}'
ANSWERS = {
    "HTML": (http(b"<!DOCTYPE html><title>Grafana</title>"), "the answer is HTML, not JSON of Grafana's API"),
    "no JSON": (http(b"OK"), "the answer is something else, not JSON of Grafana's API"),
    "nothing": (http(b""), "the answer is something else, not JSON"),
    "not UTF-8": (http(b'{"a": ["\xff\xfe"]}'), "the answer is something else, not JSON"),
    "another form": (http(b"[1, 2]"), "the answer is something else, not JSON"),
    "another type": (http(b'{"folders:read": "all"}'), "the answer is something else, not JSON"),
    "nested deeply": (http(b"[" * 100_000), "not JSON of Grafana's API"),
    "a login page": (
        http(b"", "302 Found", "Location: https://sso.example/login?secret=1"),
        "redirects to https://sso.exa",
    ),
    "a redirect with the token": (
        http(b"", "301 Moved", f"Location: https://g.example/{TOKEN}"),
        "/<token>; set the URL",
    ),
    "401": (http(b'{"message": "Invalid API key"}', "401 Unauthorized"), "the token is wrong or expired, or its"),
    "401 without JSON": (http(b"<h1>no</h1>", "401 Unauthorized"), "the token is wrong or expired"),
    "an echo of the token": (http(b'{"message": "no %s"}' % TOKEN.encode(), "403 No"), "status 403: no <token>"),
    "403 that is not UTF-8": (http(b'{"message": "\xff"}', "403 Forbidden"), "permissions: status 403"),
    "404": (http(b"404 page not found", "404 Not Found"), "status 404"),
    "500": (http(b'{"message": "database is locked"}', "500 Error"), "status 500: database is locked"),
    "502 of a proxy": (http(b"<h1>Bad gateway</h1>", "502 Bad gateway"), "status 502"),
    "429": (http(b'{"message": "slow down"}', "429 Too many"), "status 429: slow down"),
    "a long message": (http(LONG, "500 Error"), "status 500: " + "x" * 200 + "…\n"),
    "control characters": (
        http(b'{"message": "\\u001b[2J\\n::set-env"}', "500 Error"),
        r"status 500: \x1b[2J\n::set-env",
    ),
    "cut off": (http(b'{"a": []}')[:-4], "the connection broke before the end of the answer"),
    "no answer": (b"", "the connection broke before the end of the answer"),
    "no HTTP": (b"220 mail.example ESMTP\r\n\r\n", "the answer is not HTTP"),
    "a header without an end": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, "the answer is not HTTP"),
    "more than is sent": (http(gzip.compress(b"["), "200 OK", "Content-Encoding: gzip")[:-6], "the connection broke"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_cannot_be_used_is_told(
    listening: Callable[..., Listener], pushed: Callable[..., str], name: str
) -> None:
    """The message says what came instead of an answer of Grafana."""
    answer, message = ANSWERS[name]
    assert message in pushed(f"http://127.0.0.1:{listening(after_health(answer)).port}")


def test_another_program_does_not_get_the_token(listening: Callable[..., Listener], pushed: Callable[..., str]) -> None:
    """The first request asks, without the token, whether a Grafana answers."""
    other = listening(lambda connection, _: connection.sendall(http(b"<html>")))
    assert "is the URL right?" in pushed(f"http://127.0.0.1:{other.port}")
    assert len(other.asked) == 1
    assert TOKEN.encode() not in other.asked[0]


def test_a_redirect_is_not_followed_with_the_token(
    listening: Callable[..., Listener], pushed: Callable[..., str]
) -> None:
    """The host to which an answer redirects gets no request."""
    other = listening(after_health(http(b"{}")))
    where = f"Location: http://127.0.0.1:{other.port}/api/health"
    first = listening(after_health(http(b"", "307 Temporary Redirect", where)))
    assert f"it redirects to http://127.0.0.1:{other.port}/api/health" in pushed(f"http://127.0.0.1:{first.port}")
    assert other.asked == []


@pytest.mark.parametrize("compressed", [False, True])
def test_an_answer_without_an_end_is_told(
    listening: Callable[..., Listener],
    pushed: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    compressed: bool,
) -> None:
    """An answer is read up to the limit, which holds for what it inflates to."""
    monkeypatch.setattr("grafana.push.client.MOST_BYTES", 1 << 20)
    body = b"[" + b" " * (64 << 20)
    body = gzip.compress(body) if compressed else body
    answer = http(body, "200 OK", *["Content-Encoding: gzip"] * compressed)
    listener = listening(after_health(answer))
    assert "the answer has more than 1 MiB" in pushed(f"http://127.0.0.1:{listener.port}")


def test_a_server_that_is_silent_is_told(
    listening: Callable[..., Listener], pushed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request ends by its time limit, also when a byte comes now and then."""
    monkeypatch.setattr("grafana.push.client.PATIENCE_SECONDS", 0.5)
    ended = Event()

    def drip(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not ended.wait(0.1):
            connection.sendall(b" ")

    listener = listening(drip)
    try:
        assert "no answer within 0.5 seconds" in pushed(f"http://127.0.0.1:{listener.port}")
    finally:
        ended.set()


def test_a_port_without_a_server_is_told(pushed: Callable[..., str]) -> None:
    """The message says that there is no connection."""
    assert "no connection: " in pushed(f"http://127.0.0.1:{free_port()}")


def test_a_server_without_tls_is_told(listening: Callable[..., Listener], pushed: Callable[..., str]) -> None:
    """HTTPS to a port that speaks HTTP ends in a message about the handshake."""
    plain = listening(after_health(http(b"{}")))
    plain._answer = lambda connection: connection.sendall(http(b"", "400 Bad Request"))  # type: ignore[method-assign]
    assert "the TLS handshake failed" in pushed(f"https://127.0.0.1:{plain.port}")


def test_a_certificate_of_an_unknown_ca_is_told(
    listening: Callable[..., Listener], pushed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names SSL_CERT_FILE, and with the CA in it the push goes on."""
    listener = listening(after_health(http(b"{}", "500 Error")), certificate="one")
    url = f"https://localhost:{listener.port}"
    message = pushed(url)
    assert "its certificate is not trusted (" in message
    assert "name the file of its CA in SSL_CERT_FILE" in message
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "one.pem"))
    assert "status 500" in pushed(url)


def test_a_certificate_of_another_host_is_told(
    listening: Callable[..., Listener], pushed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trusted certificate for another address is not accepted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "one.pem"))
    listener = listening(after_health(http(b"{}")), certificate="one", host="127.0.0.2")
    assert "its certificate is not trusted (IP address mismatch" in pushed(f"https://127.0.0.2:{listener.port}")


def test_texts_of_a_stored_dashboard_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Line ends, escape sequences and bidirectional controls are escaped in a dry run, in keys and in titles."""
    stand_in = GrafanaStandIn()
    client = stand_in.client()
    bad = "\x1b[2J\n::set-env name=A::b\u202e"
    page = {"uid": "duckwatch-queue", "title": "Queue", "panels": [{"id": 1, "title": bad, bad: 1}], bad: bad}
    client.save(page, client.folder("Mail"))
    (tmp_path / "token").write_text(client.token("Editor"))
    try:
        assert main(["push", "--dry-run", "--push-url", stand_in.url, "--token-file", str(tmp_path / "token")]) == 0
    finally:
        stand_in.stop()
    out, _ = capsys.readouterr()
    assert out.count("::set-env") >= 3
    assert all(line.isprintable() for line in out.split("\n"))
    assert not [line for line in out.split("\n") if line.lstrip().startswith("::")]


def test_a_dashboard_that_is_nested_deeply_is_told(
    pushed: Callable[..., str], listening: Callable[..., Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nesting ends in a message, in the decoder and behind it."""
    answers = {
        b"/api/health": HEALTHY,
        b"/api/access-control/user/permissions": b'{"dashboards:read": ["*"], "folders:create": ["*"]}',
        b"/api/folders": b"[]",
    }

    def serve(connection: socket.socket, path: bytes) -> None:
        deep = b'{"dashboard": {"panels": ' + b"[" * depth + b"]" * depth + b'}, "meta": {}}'
        connection.sendall(http(answers.get(path.partition(b"?")[0], deep)))

    url = f"http://127.0.0.1:{listening(serve).port}"
    depth = 50_000
    assert "duckwatch-bounces: the answer is nested too deeply" in pushed(url)
    depth = 500
    monkeypatch.setattr("grafana.check.json.dumps", lambda *_, **__: (_ for _ in ()).throw(RecursionError))
    assert "an answer is nested too deeply" in pushed(url)
