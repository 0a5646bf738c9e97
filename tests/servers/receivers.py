"""What Alertmanager sends to, on loopback: an endpoint like Slack's incoming webhooks, and a mail server."""

from __future__ import annotations

import json
import ssl
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.servers.process import free_port

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path


class Webhooks:
    """Keeps the JSON of every POST, by path, and answers `ok` like Slack. Serves until `stop`.

    `failing` are paths whose answer is 500.
    """

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.failing: set[str] = set()
        received, failing = self.received, self.failing

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append((self.path, json.loads(body)))
                self.send_response(500 if self.path in failing else 200)
                self.send_header("Content-Type", "text/plain")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name of the base class
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def at(self, path: str) -> list[dict[str, Any]]:
        """Return what came to that path, in order."""
        return [content for where, content in list(self.received) if where == path]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class MailServer:
    """An SMTP server that takes mail from one user, after STARTTLS only. It keeps every message."""

    def __init__(self, key: Path, certificate: Path, user: str, password: str) -> None:
        self.messages: list[EmailMessage] = []
        self.port = free_port()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)

        def authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _kind: str, data: Any) -> AuthResult:
            known = isinstance(data, LoginPassword) and data == LoginPassword(user.encode(), password.encode())
            return AuthResult(success=known)

        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            tls_context=context,
            require_starttls=True,
            authenticator=authenticate,
            auth_required=True,
            auth_exclude_mechanism=["LOGIN"],  # its prompts are not those that Alertmanager knows
        )
        self._controller.start()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a message. aiosmtpd calls this by its name."""
        content = envelope.original_content or b""
        self.messages.append(message_from_bytes(content, policy=default))
        return "250 OK"

    def stop(self) -> None:
        self._controller.stop()
