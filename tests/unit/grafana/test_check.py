"""`duckwatch-dashboards`: `build` writes the dashboards of the code, and `check` names every difference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from grafana.__main__ import main
from grafana.dashboards import DASHBOARDS
from grafana.generate import GENERATED, render
from grafana.normalise import dumps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Return a folder with the output of `build`."""
    assert main(["build", "--output", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def check(directory: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    return main(["check", "--directory", str(directory)]), capsys.readouterr().out


def test_the_committed_dashboards_are_what_the_code_makes(capsys: pytest.CaptureFixture[str]) -> None:
    """`check` finds no difference between the committed dashboards and the code."""
    assert main(["check"]) == 0, capsys.readouterr().out


def test_build_writes_every_dashboard(built: Path) -> None:
    """`build` writes one file for each dashboard, and no other file."""
    assert {path.name for path in built.iterdir()} == {f"{name}.json" for name in DASHBOARDS}
    assert {path.name: path.read_text(encoding="utf-8") for path in built.iterdir()} == render()


def test_building_again_changes_nothing(built: Path) -> None:
    """A second build writes the same bytes, because Grafana's provisioning compares checksums."""
    before = {path.name: path.read_bytes() for path in built.iterdir()}
    assert main(["build", "--output", str(built)]) == 0
    assert {path.name: path.read_bytes() for path in built.iterdir()} == before


def test_build_leaves_other_files_alone(built: Path) -> None:
    """`build` keeps a file of the folder that it did not write."""
    (built / "mine.json").write_text("{}")
    assert main(["build", "--output", str(built)]) == 0
    assert (built / "mine.json").read_text() == "{}"


def test_a_fresh_build_has_no_difference(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` returns 0 and prints nothing right after a build."""
    assert check(built, capsys) == (0, "")


def test_a_missing_file_is_a_difference(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` returns 1 and names a dashboard whose file is missing."""
    (built / "overview.json").unlink()
    code, out = check(built, capsys)
    assert code == 1
    assert "overview.json: is missing\n" in out


def test_an_extra_file_is_a_difference(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` returns 1 and names a file that no dashboard of the code writes."""
    (built / "gone.json").write_text("{}")
    code, out = check(built, capsys)
    assert code == 1
    assert "gone.json: is surplus, no dashboard makes it\n" in out


def changed(path: Path, change: Callable[[dict[str, Any]], str]) -> str:
    """Change a dashboard's file, and return the line that `check` should print for it."""
    page = json.loads(path.read_text(encoding="utf-8"))
    line = change(page)
    path.write_text(dumps(page), encoding="utf-8")
    return f"{path.name}: {line}"


def called(panel: dict[str, Any]) -> str:
    return f"panel {panel['id']} “{panel['title']}”"


def rename(page: dict[str, Any]) -> str:
    panel, title = page["panels"][1], page["panels"][1]["title"]
    place = called(panel)
    panel["title"] = "Mine"
    return f'{place}.title: "Mine" → "{title}"'


def lose_a_panel(page: dict[str, Any]) -> str:
    return f"{called(page['panels'].pop(0))}: is missing"


def add_a_panel(page: dict[str, Any]) -> str:
    page["panels"].append({**page["panels"][0], "id": 999, "title": "Mine"})
    return "panel 999 “Mine”: is not made by the code"


def swap(page: dict[str, Any]) -> str:
    page["panels"].reverse()
    return "panels: stand in another order"


def change_the_sql(page: dict[str, Any]) -> str:
    panel = next(panel for panel in page["panels"] if "rawSql" in str(panel.get("targets")))
    target = next(target for target in panel["targets"] if "rawSql" in target)
    before = json.dumps(target["rawSql"])
    target["rawSql"] += " OFFSET 1"
    shown = f"…{before[-21:-1]}"
    return f'{called(panel)}.targets[{target["refId"]}].rawSql: {shown} OFFSET 1" → {shown}"'


def lose_a_key(page: dict[str, Any]) -> str:
    return f'refresh: (absent) → "{page.pop("refresh")}"'


def choose_one(page: dict[str, Any]) -> str:
    next(variable for variable in page["templating"]["list"] if variable["name"] == "cluster")["multi"] = False
    return "templating.list[cluster].multi: false → true"


def add_a_tag(page: dict[str, Any]) -> str:
    page["tags"].append("mine")
    return f'tags[{len(page["tags"]) - 1}]: "mine" → (absent)'


@pytest.mark.parametrize(
    "change",
    [rename, lose_a_panel, add_a_panel, swap, change_the_sql, lose_a_key, choose_one, add_a_tag],
    ids=lambda change: change.__name__,
)
def test_each_difference_is_named(
    built: Path, capsys: pytest.CaptureFixture[str], change: Callable[[dict[str, Any]], str]
) -> None:
    """A line names the file, the panel by id and title, the path in it, and the value in the file and in the code."""
    line = changed(built / "overview.json", change)
    code, out = check(built, capsys)
    assert code == 1
    assert out.splitlines()[:-1] == [line]


def test_two_changes_are_two_lines(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` prints a line for each of two differences."""
    lines = [changed(built / "overview.json", change) for change in (rename, lose_a_key)]
    assert check(built, capsys)[1].splitlines()[:-1] == lines


def test_what_is_no_json_is_said_so(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` returns 1 and says that a file is not JSON."""
    (built / "overview.json").write_text("{")
    code, out = check(built, capsys)
    assert code == 1
    assert out.startswith("overview.json: is no JSON: ")


def test_another_line_end_is_a_difference(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` reports a file whose line ends differ."""
    path = built / "overview.json"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    code, out = check(built, capsys)
    assert code == 1
    assert out.startswith("overview.json: has the same content in other bytes")


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`build` returns 2 and prints a message to standard error."""
    (tmp_path / "file").write_text("")
    assert main(["build", "--output", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.startswith("duckwatch-dashboards: ")


def test_the_default_folder_is_the_committed_one() -> None:
    """The default folder is `grafana/generated`."""
    assert GENERATED.name == "generated"
    assert GENERATED.parent.name == "grafana"
