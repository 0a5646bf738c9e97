"""deploy/compose/grafana/live_token.py: the token is made once, kept while it works, and replaced when refused."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.box import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.grafana import Grafana

PROGRAM = ROOT / "deploy/compose/grafana/live_token.py"
PASSWORD = "s3cr3t-canary"


class Accounts:
    """What Grafana's API for service accounts holds, by the routes that the program calls."""

    def __init__(self) -> None:
        self.accounts: list[dict[str, Any]] = []
        self.tokens: set[str] = set()

    def answer(self, method: str, path: str, authorization: str) -> tuple[int, object]:
        """Return a status and JSON, as Grafana 10.1 answers."""
        if path == "/api/org":
            return (200, {"id": 1}) if authorization.removeprefix("Bearer ") in self.tokens else (401, {})
        if not authorization.startswith("Basic "):
            return 401, {}
        if path.startswith("/api/serviceaccounts/search"):
            return 200, {"serviceAccounts": self.accounts}
        if method == "POST" and path == "/api/serviceaccounts":
            self.accounts.append({"id": 7, "name": "duckwatch-live", "role": "Editor"})
            return 201, self.accounts[-1]
        if method == "POST" and path == "/api/serviceaccounts/7/tokens":
            token = f"glsa_{len(self.tokens)}"
            self.tokens.add(token)
            return 200, {"id": len(self.tokens), "name": "collector", "key": token}
        return 404, {}


@contextmanager
def serving(accounts: Accounts) -> Iterator[str]:
    """Serve the accounts. Yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = accounts.answer(self.command, self.path, self.headers["Authorization"])
            text = json.dumps(body).encode()
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def ask(url: str, folder: Path, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    """Run the program as docker-compose.yml does, with a file in the place of the secret and of the volume."""
    (folder / "password").write_text(f"{password}\n")
    files = [f"--password-file={folder / 'password'}", f"--token-file={folder / 'token'}"]
    words = [sys.executable, str(PROGRAM), f"--url={url}", *files]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


def test_the_token_is_made_once_and_replaced_when_grafana_refuses_it(tmp_path: Path) -> None:
    """A second start keeps it. Only its owner can read the file; nothing is printed of it."""
    accounts = Accounts()
    with serving(accounts) as url:
        first = ask(url, tmp_path)
        assert (first.returncode, first.stdout, first.stderr) == (0, "a token was made\n", "")
        assert (tmp_path / "token").read_text() == "glsa_0\n"
        assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o400
        assert ask(url, tmp_path).stdout == "the token is there already\n"
        accounts.tokens.add("another")
        accounts.tokens.remove("glsa_0")
        assert ask(url, tmp_path).stdout == "a token was made\n"
    assert (tmp_path / "token").read_text() == "glsa_1\n"
    assert len(accounts.accounts) == 1


def test_the_collectors_token_pushes_to_a_real_grafana(tmp_path: Path, grafana: Grafana) -> None:
    """The token has the right to push, which /api/live/push asks for."""
    if not grafana.password:
        pytest.skip("GRAFANA_ADMIN_PASSWORD is not set, and the program asks with the administrator's password")
    before = _tokens(grafana)
    assert ask(grafana.url, tmp_path, grafana.password).returncode == 0
    # The Grafana of GRAFANA_URL may have the account: what was made is removed, and nothing else.
    for path in sorted(_tokens(grafana) - before):
        grafana.remove_later(path)
    token = (tmp_path / "token").read_text().strip()
    status, _ = grafana.request("GET", "/api/org", token=token)
    assert status == 200
    assert ask(grafana.url, tmp_path, grafana.password).stdout == "the token is there already\n"


def _tokens(grafana: Grafana) -> set[str]:
    """Return the API's paths of the program's account, and of its tokens."""
    found = grafana.ask("GET", "/api/serviceaccounts/search?query=duckwatch-live")["serviceAccounts"]
    accounts = [f"/api/serviceaccounts/{one['id']}" for one in found if one["name"] == "duckwatch-live"]
    tokens = [f"{path}/tokens/{one['id']}" for path in accounts for one in grafana.ask("GET", f"{path}/tokens")]
    return {*accounts, *tokens}
