"""A stand-in of Grafana's API: the routes that `push` and its tests use, with the answers that Grafana 10.1.2 gave.

The tests of `tests/acceptance/test_push.py` run against it and against a real Grafana, and hold the two to each other.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from tests.servers.grafana import ADMIN, Grafana

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VIEW, EDIT = 1, 2
LEVELS = {"Viewer": VIEW, "Editor": EDIT}
"""What a role may do in a folder whose permissions nobody has changed."""

SCOPED = {"folders:read": VIEW, "dashboards:read": VIEW, "dashboards:create": EDIT, "dashboards:write": EDIT}
"""The level that an action needs in a folder."""


class RefusingAnswer(NamedTuple):
    """An answer that refuses."""

    status: int
    message: str
    reason: str = ""


class GrafanaStandIn:
    """Serves on a free port of loopback until `stop`. Every state is in memory."""

    def __init__(self) -> None:
        self.password = secrets.token_urlsafe(16)
        self.provisioned: dict[str, str] = {}
        """The file that provides a dashboard, by its uid."""
        self._roles: dict[str, str] = {}
        self._accounts: dict[str, str] = {}
        self._folders: dict[str, dict[str, Any]] = {}
        self._sources: dict[str, dict[str, Any]] = {}
        self._dashboards: dict[str, dict[str, Any]] = {}
        self._lock = Lock()
        uid = "([^/]+)"
        self._routes: list[tuple[str, str, Callable[..., Any]]] = [
            ("GET", "/api/access-control/user/permissions", lambda role, _: self._permissions(role)),
            ("GET", "/api/datasources", lambda *_: [*self._sources.values()]),
            ("GET", "/api/folders", self._readable_folders),
            ("GET", f"/api/folders/{uid}", self._folder),
            ("POST", "/api/folders", self._make_folder),
            ("GET", "/api/search", self._search),
            ("GET", f"/api/dashboards/uid/{uid}", self._dashboard),
            ("GET", f"/api/dashboards/uid/{uid}/versions", self._versions),
            ("POST", "/api/dashboards/db", self._save),
            # What only the tests ask, as an administrator.
            ("POST", "/api/serviceaccounts", self._make_account),
            ("POST", f"/api/serviceaccounts/{uid}/tokens", self._make_token),
            ("POST", f"/api/folders/{uid}/permissions", self._restrict),
            ("POST", "/api/datasources", self._make_source),
            ("DELETE", f"/api/folders/{uid}", self._remove_folder),
            ("DELETE", f"/api/dashboards/uid/{uid}", self._remove_dashboard),
        ]
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with stand_in._lock:
                    status, answer = stand_in._answer(self, json.loads(body) if body else {})
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - names of http.server

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def client(self) -> Grafana:
        """Return a client with the administrator's password."""
        return Grafana(self.url, password=self.password)

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler, body: Any) -> tuple[int, Any]:
        path = urlsplit(request.path).path
        if path == "/api/health":
            return 200, {"commit": "NA", "database": "ok", "version": "10.1.2"}
        role = self._role(request.headers.get("Authorization", ""))
        if role is None:
            return 401, {"message": "Invalid API key", "messageId": "api-key.invalid"}
        found = self._routed(role, request.command, path, body)
        if isinstance(found, RefusingAnswer):
            return found.status, {"message": found.message} | ({"status": found.reason} if found.reason else {})
        return found if isinstance(found, tuple) else (200, found)

    def _role(self, authorization: str) -> str | None:
        kind, _, credentials = authorization.partition(" ")
        if kind == "Basic":
            known = base64.b64encode(f"{ADMIN}:{self.password}".encode()).decode()
            return "Admin" if credentials == known else None
        return self._roles.get(credentials)

    def _routed(self, role: str, method: str, path: str, body: Any) -> Any:
        for name, route, handler in self._routes:
            found = re.fullmatch(route, path)
            if name == method and found:
                return handler(role, body, *found.groups())
        return RefusingAnswer(404, "Not found")

    def _make_account(self, _: str, body: Any) -> tuple[int, Any]:
        account = str(len(self._accounts) + 1)
        self._accounts[account] = body["role"]
        return 201, {"id": account}

    def _make_token(self, _: str, __: Any, account: str) -> Any:
        key = f"glsa_{secrets.token_hex(16)}"
        self._roles[key] = self._accounts[account]
        return {"id": len(self._roles), "key": key}

    def _restrict(self, _: str, body: Any, uid: str) -> Any:
        self._folders[uid]["levels"] = {one["role"]: one["permission"] for one in body["items"]}
        return {}

    def _make_source(self, _: str, body: Any) -> Any:
        self._sources[body["uid"]] = {key: body[key] for key in ("uid", "name", "type")}
        return {}

    def _remove_folder(self, _: str, __: Any, folder: str) -> Any:
        self._dashboards = {uid: one for uid, one in self._dashboards.items() if one["folderUid"] != folder}
        self._folders.pop(folder, None)
        return {}

    def _remove_dashboard(self, _: str, __: Any, uid: str) -> Any:
        self._dashboards.pop(uid, None)
        return {}

    def _permissions(self, role: str) -> dict[str, list[str]]:
        found = {"datasources:read": ["datasources:*"]}
        if role != "Viewer":
            found |= {"folders:create": [""], "dashboards:create": ["folders:uid:general"]}
        for action in SCOPED:
            scopes = [f"folders:uid:{uid}" for uid in self._folders if self._may(role, action, uid)]
            if scopes:
                found[action] = [*found.get(action, []), *scopes]
        return found

    def _may(self, role: str, action: str, folder: str) -> bool:
        levels = self._folders.get(folder, {"levels": LEVELS})["levels"]
        return role == "Admin" or levels.get(role, 0) >= SCOPED[action]

    def _readable_folders(self, role: str, _: Any) -> list[dict[str, Any]]:
        return [_listed(one) for one in self._folders.values() if self._may(role, "folders:read", one["uid"])]

    def _folder(self, role: str, _: Any, uid: str) -> Any:
        if uid in self._folders and self._may(role, "folders:read", uid):
            return _listed(self._folders[uid]) | {"canSave": self._may(role, "dashboards:write", uid)}
        return RefusingAnswer(404, "folder not found") if role == "Admin" else _needed("folders:read")

    def _make_folder(self, role: str, body: Any) -> Any:
        if role == "Viewer":
            return _needed("folders:create")
        uid = body.get("uid") or secrets.token_hex(7)
        if uid in self._folders:
            return RefusingAnswer(412, "the folder has been changed by someone else", "version-mismatch")
        if body["title"] in {one["title"] for one in self._folders.values()}:
            return RefusingAnswer(409, "a folder or dashboard in the general folder with the same name already exists")
        self._folders[uid] = {"uid": uid, "title": body["title"], "levels": LEVELS}
        return _listed(self._folders[uid])

    def _search(self, role: str, _: Any) -> list[dict[str, str]]:
        return [
            {"uid": uid, "title": one["dashboard"]["title"], "folderUid": one["folderUid"]}
            for uid, one in self._dashboards.items()
            if self._may(role, "dashboards:read", one["folderUid"])
        ]

    def _dashboard(self, role: str, _: Any, uid: str) -> Any:
        if "dashboards:read" not in self._permissions(role) and role != "Admin":
            return _needed("dashboards:read")
        if uid not in self._dashboards:
            return RefusingAnswer(404, "Dashboard not found")
        one = self._dashboards[uid]
        if not self._may(role, "dashboards:read", one["folderUid"]):
            return RefusingAnswer(403, "Access denied to this dashboard")
        folder = self._folders.get(one["folderUid"], {"title": "General"})
        meta = {"version": one["dashboard"]["version"], "folderUid": one["folderUid"], "folderTitle": folder["title"]}
        meta |= {"canSave": self._may(role, "dashboards:write", one["folderUid"]), "isFolder": False}
        meta |= {"provisioned": uid in self.provisioned, "provisionedExternalId": self.provisioned.get(uid, "")}
        return {"meta": meta, "dashboard": one["dashboard"]}

    def _versions(self, role: str, _: Any, uid: str) -> Any:
        one = self._dashboards[uid]
        if not self._may(role, "dashboards:write", one["folderUid"]):
            return _needed("dashboards:write")
        return [*reversed(one["history"])]

    def _save(self, role: str, body: Any) -> Any:
        page, folder = body["dashboard"], body.get("folderUid", "")
        if folder and folder not in self._folders:
            return RefusingAnswer(400, "Folder not found")
        if body.get("overwrite"):  # as Grafana does: another dashboard of the same title is replaced
            page = page | {"uid": next(self._same_title(page, folder), page["uid"])}
        elif refused := self._refused(role, page, folder):
            return refused
        before = self._dashboards.get(page["uid"], {"history": []})
        number = len(before["history"]) + 1
        self._dashboards[page["uid"]] = {
            "folderUid": folder,
            "dashboard": page | {"id": 1, "version": number},
            "history": [*before["history"], {"version": number, "message": body.get("message", "")}],
        }
        return {"uid": page["uid"], "status": "success", "version": number, "url": f"/d/{page['uid']}/x"}

    def _same_title(self, page: dict[str, Any], folder: str) -> Iterator[str]:
        for uid, one in self._dashboards.items():
            if one["folderUid"] == folder and one["dashboard"]["title"] == page["title"] and uid != page["uid"]:
                yield uid

    def _refused(self, role: str, page: dict[str, Any], folder: str) -> RefusingAnswer | None:
        if page["uid"] in self.provisioned:
            return RefusingAnswer(400, "Cannot save provisioned dashboard")
        if next(self._same_title(page, folder), None):
            return RefusingAnswer(412, "A dashboard with the same name in the folder already exists", "name-exists")
        stored = self._dashboards.get(page["uid"])
        if stored is not None and page.get("version") != stored["dashboard"]["version"]:
            return RefusingAnswer(412, "The dashboard has been changed by someone else", "version-mismatch")
        places = {folder} if stored is None else {folder, stored["folderUid"]}
        if role == "Viewer" or not all(self._may(role, "dashboards:write", place) for place in places):
            return RefusingAnswer(403, "Access denied to save dashboard")
        return None


def _listed(folder: dict[str, Any]) -> dict[str, Any]:
    return {"uid": folder["uid"], "title": folder["title"]}


def _needed(action: str) -> RefusingAnswer:
    return RefusingAnswer(
        403, f"You'll need additional permissions to perform this action. Permissions needed: {action}"
    )
