"""What a push does to each dashboard: the pure part of `duckwatch-dashboards push`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grafana.__main__ import main
from grafana.check import value_changes
from grafana.generate import build_all
from grafana.push.answers import DashboardMeta, FolderAnswer, FoundDashboard, StoredDashboard, StoredSource
from grafana.push.plan import Action, ExistingDashboard, Target, digest, missing_permissions, planned
from grafana.push.sources import faults, unserved
from grafana.push.text import shown

QUEUE = build_all()["queue"]
TARGET = Target(FolderAnswer("mail", "Mail"), "Mail")
NOWHERE = Target(None, "Mail")
EDITOR = {"dashboards:create": ["folders:uid:mail"], "folders:create": [""]}


def known(change: dict[str, Any] | None = None, *, message: str = "", **meta: Any) -> ExistingDashboard:
    """Return what Grafana has: *Queue* in version 4, with these keys changed."""
    dashboard = {**QUEUE, "id": 7, "version": 4, **(change or {})}
    return ExistingDashboard(
        StoredDashboard(dashboard, DashboardMeta(**{"version": 4, "folder_uid": "mail", **meta})), message=message
    )


def test_what_equals_but_for_its_numbers_is_kept() -> None:
    """`id` and `version` are Grafana's own."""
    assert planned(QUEUE, known(), TARGET, [], EDITOR).action is Action.KEEP


def test_an_update_carries_the_version_that_was_read() -> None:
    """So that Grafana refuses it when somebody has saved meanwhile."""
    step = planned(QUEUE, known({"tags": ["mine"]}), TARGET, [], EDITOR)
    assert (step.action, step.version) == (Action.UPDATE, 4)
    assert step.changes == ('tags[0]: "mine" → "duckwatch"',)


def test_a_migrated_answer_is_kept_when_the_newest_version_is_ours() -> None:
    """A newer Grafana may answer with a migrated dashboard; the message of its version has our checksum."""
    migrated = {"schemaVersion": 42, "preload": False}
    pushed = f"duckwatch-dashboards push, duckwatch 0.1.0, {digest(QUEUE)}"
    assert planned(QUEUE, known(migrated, message=pushed), TARGET, [], EDITOR).action is Action.KEEP
    for message in ("", "Restored from version 3", f"{pushed} by hand"):
        assert planned(QUEUE, known(migrated, message=message), TARGET, [], EDITOR).action is Action.UPDATE
    moved = known(migrated, message=pushed, folder_uid="other")
    assert planned(QUEUE, moved, TARGET, [], EDITOR).action is Action.UPDATE


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        ({"provisioned": True, "provisioned_external_id": "queue.json"}, "from the file “queue.json”"),
        ({"is_folder": True}, "a folder has this uid"),
    ],
)
def test_what_the_api_cannot_change_is_refused(meta: dict[str, Any], reason: str) -> None:
    """Also when its content is ours: the next push could not change it."""
    step = planned(QUEUE, known(**meta), TARGET, [], EDITOR)
    assert step.action is Action.REFUSE
    assert reason in step.reason


def test_a_title_in_another_folder_is_free() -> None:
    """Grafana 10.1 answers a search of one folder with the dashboards of all."""
    others = [FoundDashboard("mine", QUEUE["title"], "other"), FoundDashboard(QUEUE["uid"], QUEUE["title"], "mail")]
    assert planned(QUEUE, ExistingDashboard(), TARGET, others, EDITOR).action is Action.CREATE


@pytest.mark.parametrize(
    ("permissions", "can_save", "missing"),
    [
        ({"dashboards:create": ["folders:uid:mail"]}, False, ""),
        ({"dashboards:create": ["folders:*"]}, False, ""),
        ({"dashboards:create": ["folders:uid:other"]}, True, ""),  # inherited from the folder around it
        ({"dashboards:create": ["folders:uid:other"]}, False, "dashboards:create for “Mail”"),
        ({}, False, "dashboards:create for “Mail”"),
    ],
)
def test_a_missing_permission_is_named(permissions: dict[str, list[str]], can_save: bool, missing: str) -> None:
    """A scope of the folder, of all folders, or of a folder around it is enough."""
    target = Target(FolderAnswer("mail", "Mail", can_save), "Mail")
    step = planned(QUEUE, ExistingDashboard(), target, [], permissions)
    assert step.missing == missing
    assert missing_permissions([step, step], target, permissions) == ([missing] if missing else [])


def test_the_folder_needs_a_permission_only_where_something_is_saved() -> None:
    """A push that saves nothing makes no folder."""
    new = planned(QUEUE, ExistingDashboard(), NOWHERE, [], {})
    assert missing_permissions([new], NOWHERE, {}) == ["folders:create"]
    assert missing_permissions([new], NOWHERE, EDITOR) == []
    refused = planned(QUEUE, known(provisioned=True), NOWHERE, [], {})
    assert missing_permissions([refused], NOWHERE, {}) == []


@given(
    stored=st.none()
    | st.builds(
        DashboardMeta, folder_uid=st.sampled_from(["mail", "x", ""]), provisioned=st.booleans(), can_save=st.booleans()
    ),
    same=st.booleans(),
    others=st.lists(
        st.builds(
            FoundDashboard,
            st.sampled_from([QUEUE["uid"], "mine", "theirs"]),
            st.sampled_from([QUEUE["title"], "Other"]),
            st.sampled_from(["mail", "x"]),
        )
    ),
    is_hidden=st.booleans(),
)
def test_nothing_is_saved_where_a_dashboard_of_somebody_else_could_suffer(
    stored: DashboardMeta | None, same: bool, others: list[FoundDashboard], is_hidden: bool
) -> None:
    """Whatever Grafana has: no save beside a same title of another uid, over a file, or over what cannot be read."""
    page = {**QUEUE, **({} if same else {"tags": ["mine"]})}
    one = ExistingDashboard(None if stored is None else StoredDashboard(page, stored), is_hidden=is_hidden)
    step = planned(QUEUE, one, TARGET, others, EDITOR)
    taken = any((o.title, o.folder_uid) == (QUEUE["title"], "mail") and o.uid != QUEUE["uid"] for o in others)
    if step.action in (Action.CREATE, Action.UPDATE):
        assert not taken
        assert not is_hidden
        assert stored is None or not stored.provisioned
        assert (step.action is Action.CREATE) == (stored is None)
        assert (step.version is None) == (stored is None)
    if step.action is Action.KEEP:
        assert stored is not None
        assert same
        assert stored.folder_uid == "mail"
    assert bool(step.reason) == (step.action is Action.REFUSE)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "uid", "panels", "a"]), inner),
    max_leaves=12,
)


@given(JSON, JSON)
@example([True], [1])
@example([{"id": [1]}], [{"id": [2]}])
@example([{"id": True}, {"id": 1}], [{"id": 1}, {"id": True}])
@example([{"uid": "a"}, {"uid": "b"}], [{"uid": "b"}, {"uid": "a"}])
def test_a_difference_is_found_where_there_is_one(before: Any, after: Any) -> None:
    """Two values have a line if and only if they differ."""
    assert bool(list(value_changes(before, after))) == (
        json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True)
    )


@given(st.text(), st.integers(1, 50))
def test_a_foreign_text_is_one_printable_line(text: str, longest: int) -> None:
    """No control character, line end or bidirectional mark of Grafana reaches a terminal."""
    assert shown(text, longest).isprintable()
    assert len(shown(text, longest)) <= 10 * longest + 1


SOURCES = [
    StoredSource("db", "Mail (new)", "grafana-postgresql-datasource"),
    StoredSource("prom", "Prometheus", "prometheus"),
]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"timescale": "db", "prometheus": "name:Prometheus"}, ""),
        (
            {"timescale": "prom"},
            (
                "grafana.datasources.timescale: no data source of type postgres has the uid “prom”; "
                "those of this type are “Mail (new)” (uid “db”)"
            ),
        ),
        (
            {"alertmanager": "name:Alerts"},
            (
                "grafana.datasources.alertmanager: no data source of type alertmanager has the name “Alerts”; "
                "there is none of this type: add one in Grafana first"
            ),
        ),
    ],
)
def test_a_chosen_data_source_must_exist(choice: dict[str, str], expected: str) -> None:
    """By its uid or its name, with the plugin's old and new id."""
    assert "".join(faults(choice, SOURCES)) == expected


def test_a_kind_that_grafana_lacks_is_named() -> None:
    """The dashboards let the viewer choose a database and a Prometheus."""
    assert unserved(build_all().values(), SOURCES) == []
    assert unserved(build_all().values(), SOURCES[1:]) == ["postgres"]
    assert unserved(build_all().values(), []) == ["postgres", "prometheus"]


def test_a_push_needs_a_url_and_a_token(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, and the missing keys; a token file that is missing is named too."""
    monkeypatch.delenv("DUCKWATCH_GRAFANA__TOKEN", raising=False)
    assert main(["push"]) == 2
    err = capsys.readouterr().err
    assert err == "grafana.push_url: must be set for a push\ngrafana.token: must be set for a push\n"
    assert main(["push", "--url", "http://127.0.0.1:1", "--token-file", "/nonexistent/token"]) == 2
    assert "grafana.token_file: " in capsys.readouterr().err


def test_a_token_file_wins_over_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option wins; no two tokens stand beside each other."""
    monkeypatch.setenv("DUCKWATCH_GRAFANA__TOKEN", "glsa_of-the-environment")
    assert main(["push", "--url", "http://127.0.0.1:1", "--token-file", "/nonexistent/token"]) == 2
    err = capsys.readouterr().err
    assert "must not be set beside" not in err
    assert "glsa_of-the-environment" not in err
