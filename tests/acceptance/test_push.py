"""`duckwatch-dashboards push` into a real Grafana, and into the stand-in: each case twice in a row, with one result.

The stand-in always runs. It is held to Grafana by the same tests.
"""

from __future__ import annotations

import copy
import json
import re
import secrets
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from grafana.__main__ import main
from grafana.generate import build_all
from grafana.push.client import GrafanaApi
from tests.servers.fixtures import need
from tests.servers.grafana import Grafana, StartedGrafana, home
from tests.servers.grafana_stand_in import GrafanaStandIn
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from grafana.fields import Json
    from grafana.push.client import Answer
    from grafana.settings import Settings

QUEUE = build_all()["queue"]
SERVERS = ["stand-in", pytest.param("grafana", marks=pytest.mark.servers)]


class Site:
    """A Grafana, a folder title that nobody has, and pushes of our dashboards under uids that nobody has.

    Grafana remembers for 30 seconds in which folder a uid is, also after the dashboard was deleted. And a Grafana of
    `GRAFANA_URL` may have our dashboards.
    """

    def __init__(
        self, grafana: Grafana, capsys: pytest.CaptureFixture[str], folder: Path, suffix: str | None = None
    ) -> None:
        self.grafana = grafana
        self.title = f"Mail {secrets.token_hex(6)}"
        own = f"-{secrets.token_hex(6)}" if suffix is None else suffix
        self.pages = {name: page | {"uid": page["uid"] + own} for name, page in build_all().items()}
        self.queue = self.pages["queue"]
        self.queue_name = name_of(self.queue)
        self.editor = grafana.token("Editor")
        self._capsys = capsys
        self._folder = folder

    def push(self, *options: str, token: str | None = None, folder: str | None = None) -> tuple[int, list[str], str]:
        """Push as an Editor, or with this token. Return the exit code, the lines, and standard error."""
        token = token or self.editor
        file = self._folder / "token"
        file.write_text(f"{token}\n")
        self._capsys.readouterr()
        where = ("--push-url", self.grafana.url, "--token-file", str(file), "--folder", folder or self.title)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("grafana.push.run.build_all", self._built)
            code = main(["push", *where, *options])
        out, err = self._capsys.readouterr()
        assert token not in out + err
        return code, out.splitlines(), err

    def _built(self, settings: Settings) -> dict[str, Json]:
        return {name: page | {"uid": self.pages[name]["uid"]} for name, page in build_all(settings).items()}

    def lines(self, verb: str, *, queue: str = "") -> list[str]:
        """Return the line of each dashboard, with another line for *Queue* if one is given."""
        return [
            queue if queue and page is self.queue else f"{verb:<12} {name_of(page)}" for page in self.pages.values()
        ]

    def folder(self) -> str:
        """Return the uid of the folder, which is made if it is missing."""
        return self.folder_uid() or self.grafana.folder(self.title)

    def folder_uid(self) -> str | None:
        """Return the uid of the folder, None if there is none of this title."""
        found = self.grafana.ask("GET", "/api/folders?limit=1000")
        return next((one["uid"] for one in found if one["title"] == self.title), None)

    def restrict(self, uid: str, *, editor: int = 0) -> None:
        """Leave an Editor this level in a folder (1: view), and a Viewer none."""
        items = [{"role": "Editor", "permission": editor}] if editor else []
        self.grafana.ask("POST", f"/api/folders/{uid}/permissions", {"items": items})

    def stored(self, uid: str) -> Any:
        """Return a dashboard with its meta."""
        return self.grafana.ask("GET", f"/api/dashboards/uid/{uid}")

    def uids(self) -> set[str]:
        """Return the uids of ours that Grafana has."""
        found = self.grafana.ask("GET", "/api/search?type=dash-db&limit=5000")
        return {one["uid"] for one in found} & {page["uid"] for page in self.pages.values()}

    def change_by_hand(self, page: Json) -> str:
        """Save a dashboard with another title of its first panel. Return the line that names the difference."""
        stored = self.stored(page["uid"])
        changed = copy.deepcopy(stored["dashboard"])
        panel = changed["panels"][0]
        before, panel["title"] = panel["title"], "By hand"
        body = {"dashboard": changed, "folderUid": stored["meta"]["folderUid"]}
        self.grafana.ask("POST", "/api/dashboards/db", body)
        return f'panel {panel["id"]} “{before}”.title: "By hand" → {json.dumps(before, ensure_ascii=False)}'


def name_of(page: Json) -> str:
    return f"{page['uid']} “{page['title']}”"


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Grafana]:
    """Yield the stand-in, and then a real Grafana."""
    if request.param == "grafana":
        yield request.getfixturevalue("grafana")
        return
    stand_in = GrafanaStandIn()
    yield stand_in.client()
    stand_in.stop()


@pytest.fixture
def site(server: Grafana, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Site]:
    """Yield a Grafana to push into. What was pushed is removed."""
    site = Site(server, capsys, tmp_path)
    yield site
    for uid in site.uids():
        server.request("DELETE", f"/api/dashboards/uid/{uid}")
    if folder := site.folder_uid():
        server.request("DELETE", f"/api/folders/{folder}")


def test_new_dashboards_are_created_and_then_unchanged(site: Site) -> None:
    """The first push makes the folder and saves every dashboard; the second saves nothing."""
    assert site.push()[:2] == (0, [f"created      folder “{site.title}”", *site.lines("created")])
    assert site.push()[:2] == (0, site.lines("unchanged"))
    for page in site.pages.values():
        stored = site.stored(page["uid"])
        assert stored["dashboard"] == json.loads(json.dumps(page)) | {"id": stored["dashboard"]["id"], "version": 1}
        assert stored["meta"]["folderUid"] == site.folder_uid()


@pytest.mark.parametrize("role", ["Editor", "Viewer"])
def test_a_dry_run_writes_nothing(site: Site, role: str) -> None:
    """A dry run prints what a push would do, and writes nothing; a token that may only read is enough."""
    for _ in range(2):
        code, out, err = site.push("--dry-run", token=site.grafana.token(role))
        assert (code, out) == (0, [f"would create folder “{site.title}”", *site.lines("would create")])
        assert ("the token lacks the permission folders:create" in err) == (role == "Viewer")
        assert site.uids() == set()
        assert site.folder_uid() is None


def test_what_was_changed_by_hand_is_shown_and_set_back(site: Site) -> None:
    """A dry run names the difference. The push saves a new version, so that the history keeps what was there."""
    site.push()
    difference = site.change_by_hand(site.queue)
    for _ in range(2):
        code, out, _ = site.push("--dry-run", token=site.grafana.token("Viewer"))
        assert code == 0
        assert [line for line in out if not line.startswith("unchanged ")] == [
            f"would update {site.queue_name}: 1 difference",
            f"             - {difference}",
        ]
    assert site.push()[:2] == (0, site.lines("unchanged", queue=f"updated      {site.queue_name}: version 3"))
    assert site.push()[:2] == (0, site.lines("unchanged"))
    assert site.stored(site.queue["uid"])["dashboard"]["panels"] == json.loads(json.dumps(site.queue))["panels"]


def test_a_dashboard_that_was_moved_comes_back(site: Site) -> None:
    """A dashboard in another folder is moved into the folder of the push."""
    site.push()
    other = site.grafana.folder()
    site.grafana.ask(
        "POST", "/api/dashboards/db", {"dashboard": site.stored(site.queue["uid"])["dashboard"], "folderUid": other}
    )
    title = site.stored(site.queue["uid"])["meta"]["folderTitle"]
    _, out, _ = site.push("--dry-run")
    assert f"             - folder: “{title}” → “{site.title}”" in out
    assert site.push()[:2] == (0, site.lines("unchanged", queue=f"updated      {site.queue_name}: version 3"))
    assert site.push()[:2] == (0, site.lines("unchanged"))
    assert site.stored(site.queue["uid"])["meta"]["folderUid"] == site.folder_uid()


def test_a_users_dashboard_of_the_same_title_survives(site: Site) -> None:
    """Ours is refused with a reason, the others are pushed, and the user's dashboard stays as it was."""
    mine = {"uid": f"mine-{secrets.token_hex(6)}", "title": site.queue["title"], "tags": ["mine"], "panels": []}
    site.grafana.save(mine, site.folder())
    before = site.stored(mine["uid"])["dashboard"]
    refused = (
        f"refused      {site.queue_name}: the dashboard “{mine['uid']}” of the folder has the same title; "
        "rename it, or set grafana.title_prefix or grafana.folder"
    )
    code, out, _ = site.push("--dry-run")
    assert (code, out) == (1, site.lines("would create", queue=refused))
    assert site.push()[:2] == (1, site.lines("created", queue=refused))
    assert site.push()[:2] == (1, site.lines("unchanged", queue=refused))
    assert site.stored(mine["uid"])["dashboard"] == before
    assert site.queue["uid"] not in site.uids()


def test_a_users_dashboard_that_the_token_does_not_see_survives(site: Site) -> None:
    """Where the search does not show the user's dashboard, Grafana refuses, because no push says `overwrite`."""
    mine = {"uid": f"mine-{secrets.token_hex(6)}", "title": site.queue["title"], "panels": []}
    uid = site.folder()
    before: Json = {}

    async def late(api: GrafanaApi, method: str, path: str, body: Json | None = None) -> Answer:
        if method == "POST" and not before:
            site.grafana.save(mine, uid)
            before.update(site.stored(mine["uid"])["dashboard"])
        return await ask(api, method, path, body)

    ask = GrafanaApi.ask
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GrafanaApi, "ask", late)
        code, out, _ = site.push()
    refused = (
        f"refused      {site.queue_name}: another dashboard of the folder has the same title; "
        "rename it, or set grafana.title_prefix"
    )
    assert (code, out) == (1, site.lines("created", queue=refused))
    assert site.stored(mine["uid"])["dashboard"] == before


def test_what_is_saved_at_the_same_moment_survives(site: Site) -> None:
    """A version that is saved between the reading and the saving is not replaced; the next push replaces it."""
    site.push()
    site.change_by_hand(site.queue)
    saved: list[Json] = []

    async def late(api: GrafanaApi, method: str, path: str, body: Json | None = None) -> Answer:
        if method == "POST" and not saved:
            saved.append(site.stored(site.queue["uid"])["dashboard"] | {"tags": ["mine"]})
            site.grafana.save(saved[0], site.folder())
        return await ask(api, method, path, body)

    ask = GrafanaApi.ask
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GrafanaApi, "ask", late)
        code, out, _ = site.push()
    refused = f"refused      {site.queue_name}: somebody saved it at the same moment; push again"
    assert (code, out) == (1, site.lines("unchanged", queue=refused))
    assert site.stored(site.queue["uid"])["dashboard"]["tags"] == ["mine"]
    assert site.push()[:2] == (0, site.lines("unchanged", queue=f"updated      {site.queue_name}: version 4"))


def test_a_folder_is_found_by_its_uid(site: Site) -> None:
    """The folder is made with the uid, and found by it after somebody has renamed it."""
    uid = f"mail-{secrets.token_hex(6)}"
    site.grafana.remove_later(f"/api/folders/{uid}")
    options = ("--folder-uid", uid)
    assert site.push(*options)[:2] == (0, [f"created      folder “{site.title}”", *site.lines("created")])
    assert site.folder_uid() == uid
    assert site.push(*options, folder="Another title")[:2] == (0, site.lines("unchanged"))


def test_a_role_that_may_not_make_the_folder_is_told_so(site: Site) -> None:
    """Nothing is made, and the message names the permission."""
    for _ in range(2):
        code, out, err = site.push(token=site.grafana.token("Viewer"))
        assert (code, out) == (3, [])
        assert "the token lacks the permission folders:create; give its service account the role Editor" in err
        assert err.endswith("; nothing was pushed\n")
    assert site.folder_uid() is None


def test_a_role_that_may_only_read_the_folder_is_told_so(site: Site) -> None:
    """Nothing is saved, and the message names the permission and the folder."""
    site.restrict(site.folder(), editor=1)
    for _ in range(2):
        code, out, err = site.push()
        assert (code, out) == (3, [])
        assert f"lacks the permission dashboards:create for “{site.title}”" in err
    assert site.uids() == set()


def test_a_role_that_may_not_change_a_dashboard_is_told_so(site: Site) -> None:
    """Dashboards that are as they should be need no permission; one that differs does, and nothing is saved."""
    site.push()
    site.restrict(site.folder(), editor=1)
    assert site.push()[:2] == (0, site.lines("unchanged"))
    site.change_by_hand(site.queue)
    for _ in range(2):
        code, out, err = site.push()
        assert (code, out) == (3, [])
        assert f"lacks the permission dashboards:write for “{site.title}”" in err


def test_a_folder_that_the_token_does_not_see_is_told(site: Site) -> None:
    """The folder cannot be made a second time, and the message names the permission."""
    site.restrict(site.folder())
    for _ in range(2):
        code, out, err = site.push()
        assert (code, out) == (3, [])
        assert f"the folder “{site.title}” cannot be made: a folder or dashboard" in err
        assert "the token lacks the permission folders:read for it" in err


def test_a_dashboard_that_the_token_does_not_see_survives(site: Site) -> None:
    """A dashboard of our uid in a folder that the token may not read is refused and not changed."""
    hidden = site.grafana.folder()
    site.restrict(hidden)
    site.grafana.save({"uid": site.queue["uid"], "title": "Hidden", "panels": []}, hidden)
    refused = (
        f"refused      {site.queue_name}: a dashboard with this uid exists that the token may not read: "
        "dashboards:read is missing"
    )
    assert site.push()[1][1:] == site.lines("created", queue=refused)
    assert site.push()[:2] == (1, site.lines("unchanged", queue=refused))
    assert site.stored(site.queue["uid"])["dashboard"]["title"] == "Hidden"


def test_a_wrong_token_is_told(site: Site) -> None:
    """The message says so, and does not show the token."""
    for _ in range(2):
        code, out, err = site.push(token="glsa_this-is-a-wrong-token")
        assert (code, out) == (3, [])
        assert "the token is wrong or expired, or its service account is disabled: Invalid API key" in err


@pytest.mark.parametrize("form", ["{uid}", "name:{name}"])
def test_a_data_source_is_found_by_uid_or_name(site: Site, form: str) -> None:
    """The dashboards ask the data source that the site has chosen."""
    uid = site.grafana.data_source("postgres", {"url": "127.0.0.1:1", "user": "nobody"})
    chosen = form.format(uid=uid, name=uid)
    options = ("--datasources", f"timescale={chosen}")
    assert site.push(*options)[0] == 0
    assert site.push(*options)[:2] == (0, site.lines("unchanged"))
    text = json.dumps(site.stored(site.queue["uid"])["dashboard"])
    assert (json.dumps(f"/^{re.escape(uid)}$/") if form.startswith("name:") else f'"{uid}"') in text


@pytest.mark.parametrize(
    ("choice", "what"), [("nothing-like-it", "the uid “nothing-like-it”"), ("name:Nothing", "the name “Nothing”")]
)
def test_a_missing_data_source_is_told_with_those_that_exist(site: Site, choice: str, what: str) -> None:
    """The message names those of the same type only, and nothing is pushed."""
    uid = site.grafana.data_source("postgres", {"url": "127.0.0.1:1", "user": "nobody"})
    other = site.grafana.data_source("prometheus", {"url": "http://127.0.0.1:1"})
    for _ in range(2):
        code, out, err = site.push("--datasources", f"timescale={choice}")
        assert (code, out) == (3, [])
        assert f"grafana.datasources.timescale: no data source of type postgres has {what}; those of this type" in err
        assert f"“{uid}” (uid “{uid}”)" in err
        assert other not in err
    assert site.folder_uid() is None


def test_a_data_source_of_another_type_is_missing(site: Site) -> None:
    """The uid of a Prometheus is no database."""
    uid = site.grafana.data_source("prometheus", {"url": "http://127.0.0.1:1"})
    code, _, err = site.push("--datasources", f"timescale={uid}")
    assert code == 3
    assert f"no data source of type postgres has the uid “{uid}”" in err


@pytest.fixture(params=SERVERS)
def provisioned(request: pytest.FixtureRequest, tmp_path: Path, server_logs: Path) -> Iterator[Grafana]:
    """Yield a Grafana that serves the dashboard *Queue* from a file."""
    if request.param == "stand-in":
        stand_in = GrafanaStandIn()
        client = stand_in.client()
        client.save(QUEUE, client.folder("Files"))
        stand_in.provisioned[QUEUE["uid"]] = "queue.json"
        yield client
        stand_in.stop()
        return
    need(home)
    with ExitStack() as stack:
        (tmp_path / "served").mkdir()
        (tmp_path / "served" / "queue.json").write_text(json.dumps(QUEUE))
        (tmp_path / "provisioning" / "dashboards").mkdir(parents=True)
        provider = {"name": "files", "folder": "Files", "type": "file", "options": {"path": str(tmp_path / "served")}}
        (tmp_path / "provisioning" / "dashboards" / "files.yaml").write_text(
            yaml.safe_dump({"apiVersion": 1, "providers": [provider]})
        )
        started = StartedGrafana(tmp_path / "grafana", server_logs, tmp_path / "provisioning")
        stack.callback(started.stop)
        started.start()
        client = started.client()
        path = f"/api/dashboards/uid/{QUEUE['uid']}"
        wait_until(lambda: client.request("GET", path)[0] == 200, "the file is served")
        yield client


def test_a_dashboard_that_a_file_provides_is_refused(
    provisioned: Grafana, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It is refused with the file's name, and the others are pushed."""
    site = Site(provisioned, capsys, tmp_path, suffix="")
    code, out, _ = site.push()
    assert code == 1
    (refused,) = [line for line in out if line.startswith("refused")]
    assert re.fullmatch(
        rf"refused      {site.queue_name}: Grafana's provisioning serves it from the file “[^”]*queue\.json”; "
        r"remove that file, or do not push",
        refused,
    )
    assert out[1:] == site.lines("created", queue=refused)
    assert site.push()[:2] == (1, site.lines("unchanged", queue=refused))
    assert site.stored(site.queue["uid"])["meta"]["folderTitle"] == "Files"
