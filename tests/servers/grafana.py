"""Grafana for tests: the one that `GRAFANA_URL` names, or one that is started from `GRAFANA_HOME`.

`GRAFANA_HOME` is an unpacked Grafana (`bin/grafana`, `conf`, `public`). No package registry has it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.servers.missing import MissingGrafanaError
from tests.servers.process import Process, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

ADMIN = "admin"
NO_PACKETS = {
    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_NEWS_NEWS_FEED_ENABLED": "false",
    "GF_PLUGINS_PLUGIN_ADMIN_ENABLED": "false",
    "GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED": "true",
    "GF_SECURITY_DISABLE_GRAVATAR": "true",
}
"""What else would ask hosts of the Internet."""


TAKEN = (409, 412)
"""A title or a name is taken."""


class GrafanaError(Exception):
    """Grafana refused a request; the message has the status and its answer."""


class Grafana:
    """A Grafana that answers, with an administrator's credentials.

    What is made through this object is removed by `clean`.
    """

    def __init__(self, url: str, *, password: str = "", token: str = "") -> None:
        self.url = url.rstrip("/")
        self.password = password
        basic = base64.b64encode(f"{ADMIN}:{password}".encode()).decode()
        self.authorization = f"Bearer {token}" if token else f"Basic {basic}"
        self._made = ExitStack()
        self._tokens: dict[str, str] = {}

    def request(self, method: str, path: str, body: object = None, *, token: str = "") -> tuple[int, Any]:
        """Return the status and the answer's JSON (None if it has none); `token` stands in for the administrator."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}" if token else self.authorization}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, _json(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _json(error.read())

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Return the answer's JSON. Raise GrafanaError when the status is not 200."""
        status, answer = self.request(method, path, body)
        if status != 200:
            raise GrafanaError(f"{method} {path}: {status} {answer}")
        return answer

    def token(self, role: str, seconds: int | None = None) -> str:
        """Return a token of a new service account with this role. It expires after `seconds`."""
        status, account = self.request("POST", "/api/serviceaccounts", {"name": _name("account"), "role": role})
        if status != 201:
            raise GrafanaError(f"no service account: {status} {account}")
        self._made.callback(self.request, "DELETE", f"/api/serviceaccounts/{account['id']}")
        tokens = f"/api/serviceaccounts/{account['id']}/tokens"
        made = self.ask("POST", tokens, {"name": _name("token")} | ({"secondsToLive": seconds} if seconds else {}))
        self._tokens[made["key"]] = f"{tokens}/{made['id']}"
        return str(made["key"])

    def revoke(self, token: str) -> None:
        """Delete a token that this object has made."""
        self.ask("DELETE", self._tokens.pop(token))

    def folder(self, title: str = "") -> str:
        """Return the uid of a new folder, under another title if this one is taken.

        `clean` deletes the folder with its dashboards.
        """
        name = _name("folder")
        uid = str(self._named("/api/folders", {"uid": name, "title": title or name}, "title", name)["uid"])
        self._made.callback(self.request, "DELETE", f"/api/folders/{uid}?forceDeleteRules=true")
        return uid

    def data_source(self, kind: str, settings: dict[str, Any]) -> str:
        """Return the uid of a new data source of this plugin, under another name if that in `settings` is taken."""
        name = _name(kind)
        body = {"name": name, "type": kind, "access": "proxy", **settings, "uid": name}
        self._named("/api/datasources", body, "name", name)
        self._made.callback(self.request, "DELETE", f"/api/datasources/uid/{name}")
        return name

    def remove_later(self, path: str) -> None:
        """Have `clean` delete what this path of the API names."""
        self._made.callback(self.request, "DELETE", path)

    def save(self, dashboard: dict[str, Any], folder: str) -> str:
        """Store a dashboard in a folder, and return its path in the browser."""
        return str(self.ask("POST", "/api/dashboards/db", {"dashboard": dashboard, "folderUid": folder})["url"])

    def session(self) -> str:
        """Return the session cookie of a new login. Raise GrafanaError without a password."""
        body = json.dumps({"user": ADMIN, "password": self.password}).encode()
        request = urllib.request.Request(f"{self.url}/login", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                cookies = [value.partition(";")[0] for value in answer.headers.get_all("Set-Cookie", [])]
        except urllib.error.HTTPError as error:
            raise GrafanaError(f"the login failed: {error}") from None
        return str(next(cookie.partition("=")[2] for cookie in cookies if cookie.startswith("grafana_session=")))

    def _named(self, path: str, body: dict[str, Any], key: str, otherwise: str) -> Any:
        status, answer = self.request("POST", path, body)
        if status in TAKEN:
            return self.ask("POST", path, body | {key: otherwise})
        if status != 200:
            raise GrafanaError(f"POST {path}: {status} {answer}")
        return answer

    def clean(self) -> None:
        """Delete what was made."""
        self._made.close()


class StartedGrafana:
    """A Grafana of our own on a free port of loopback, with its data in `folder`.

    `as_in_the_image` has it run as the user and group of Grafana's image, who must be able to write to `folder`.
    """

    def __init__(
        self, folder: Path, logs: Path, provisioning: Path | None = None, *, as_in_the_image: bool = False
    ) -> None:
        self._home = home()
        self.port = free_port()
        self.log = logs / f"grafana-{self.port}.log"
        self.password = secrets.token_urlsafe(16)
        self._folder = folder
        self._provisioning = provisioning
        self._as_user = ["setpriv", "--reuid=472", "--regid=0", "--clear-groups", "--"] if as_in_the_image else []
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> Grafana:
        """Return a client with the administrator's password."""
        return Grafana(self.url, password=self.password)

    def start(self) -> None:
        """Start it, and return when it answers. The first start makes its database."""
        words = [*self._as_user, str(self._home / "bin" / "grafana"), "server", "--homepath", str(self._home)]
        self._process = Process("grafana", words, self.log, env=self._environment(), cwd=self._home)
        self._process.wait_ready(self._answers, seconds=180)

    def stop(self) -> None:
        """End it. Nothing happens when it does not run."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def _environment(self) -> dict[str, str]:
        settings = {
            "GF_AUTH_ANONYMOUS_ENABLED": "false",
            "GF_LOG_MODE": "console",
            "GF_PATHS_DATA": str(self._folder / "data"),
            "GF_PATHS_LOGS": str(self._folder / "logs"),
            "GF_PATHS_PLUGINS": str(self._folder / "plugins"),
            "GF_PATHS_PROVISIONING": str(self._provisioning or self._folder / "provisioning"),
            "GF_SECURITY_ADMIN_PASSWORD": self.password,
            "GF_SECURITY_ANGULAR_SUPPORT_ENABLED": "false",
            "GF_SERVER_HTTP_ADDR": "127.0.0.1",
            "GF_SERVER_HTTP_PORT": str(self.port),
        }
        return {**_without_grafana(), **NO_PACKETS, **settings}

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/api/health", timeout=2) as answer:
            return bool(answer.status == 200)
        return False


def home() -> Path:
    """Return the folder of `GRAFANA_HOME`. Raise MissingGrafanaError without one."""
    folder = Path(os.environ.get("GRAFANA_HOME") or "/nonexistent")
    if not (folder / "bin" / "grafana").exists():
        raise MissingGrafanaError(
            "GRAFANA_HOME, from which a Grafana is started, names no unpacked one (bin/grafana, conf, public)"
        )
    return folder


def given() -> Grafana:
    """Return the Grafana of `GRAFANA_URL`, with `GRAFANA_ADMIN_PASSWORD` or `GRAFANA_TOKEN`.

    Raise MissingGrafanaError without them.
    """
    url, password, token = (os.environ.get(f"GRAFANA_{name}", "") for name in ("URL", "ADMIN_PASSWORD", "TOKEN"))
    if not url:
        raise MissingGrafanaError("GRAFANA_URL does not name a running Grafana")
    if not (password or token):
        raise MissingGrafanaError("GRAFANA_URL is set, but neither GRAFANA_ADMIN_PASSWORD nor GRAFANA_TOKEN is")
    return Grafana(url, password=password, token=token)


@contextlib.contextmanager
def given_or_started(folder: Path) -> Iterator[Grafana]:
    """Give the Grafana of `GRAFANA_URL`, else start one from `GRAFANA_HOME`. What was made there is removed.

    Raise MissingGrafanaError without both.
    """
    if not (os.environ.get("GRAFANA_URL") or os.environ.get("GRAFANA_HOME")):
        raise MissingGrafanaError("neither GRAFANA_URL nor GRAFANA_HOME names a Grafana")
    with ExitStack() as stack:
        if os.environ.get("GRAFANA_URL"):
            grafana = given()
        else:
            started = StartedGrafana(folder, folder)
            stack.callback(started.stop)
            started.start()
            grafana = started.client()
        stack.callback(grafana.clean)
        yield grafana


def _without_grafana() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("GF_", "GRAFANA_"))}


def _name(kind: str) -> str:
    return f"duckwatch-{kind}-{secrets.token_hex(6)}"


def _json(body: bytes) -> Any:
    with contextlib.suppress(ValueError):
        return json.loads(body)
    return body.decode(errors="replace") or None
