"""`duckwatch-dashboards`: build writes what the code makes, check finds every difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from grafana.__main__ import main
from grafana.dashboards import DASHBOARDS
from grafana.generate import GENERATED, render

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A folder as `build` leaves it."""
    assert main(["build", "--output", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def check(directory: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    return main(["check", "--directory", str(directory)]), capsys.readouterr().out


def test_the_committed_dashboards_are_what_the_code_makes(capsys: pytest.CaptureFixture[str]) -> None:
    """A dashboard changed in code without `make generate`, or by hand, fails here."""
    assert main(["check"]) == 0, capsys.readouterr().out


def test_build_writes_every_dashboard(built: Path) -> None:
    """One file a dashboard, and no other file left behind."""
    assert {path.name for path in built.iterdir()} == {f"{name}.json" for name in DASHBOARDS}
    assert {path.name: path.read_text(encoding="utf-8") for path in built.iterdir()} == render()


def test_building_again_changes_nothing(built: Path) -> None:
    """The same bytes each time: Grafana's provisioning goes by the checksum."""
    before = {path.name: path.read_bytes() for path in built.iterdir()}
    assert main(["build", "--output", str(built)]) == 0
    assert {path.name: path.read_bytes() for path in built.iterdir()} == before


def test_build_leaves_other_files_alone(built: Path) -> None:
    """Somebody's own dashboard in the same folder stays."""
    (built / "mine.json").write_text("{}")
    assert main(["build", "--output", str(built)]) == 0
    assert (built / "mine.json").read_text() == "{}"


def test_a_fresh_build_has_no_difference(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing differs, and nothing is printed."""
    assert check(built, capsys) == (0, "")


def test_a_missing_file_is_a_difference(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A dashboard that was never written is named."""
    (built / "overview.json").unlink()
    code, out = check(built, capsys)
    assert code == 1
    assert "missing: overview.json" in out


def test_an_extra_file_is_a_difference(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file of a dashboard that is gone from the code is named."""
    (built / "gone.json").write_text("{}")
    code, out = check(built, capsys)
    assert code == 1
    assert "extra: gone.json" in out


def test_a_changed_file_is_shown_as_a_diff(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A unified diff: what is committed with a minus, what the code makes with a plus."""
    path = built / "overview.json"
    path.write_text(path.read_text(encoding="utf-8").replace("Bounce ratio", "Bounce rate", 1), encoding="utf-8")
    code, out = check(built, capsys)
    assert code == 1
    assert "--- committed/overview.json" in out
    assert '-      "title": "Bounce rate",' in out
    assert '+      "title": "Bounce ratio",' in out


def test_another_line_end_is_a_difference(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The bytes count, not only the lines."""
    path = built / "overview.json"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert check(built, capsys)[0] == 1


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one line that says why, without a traceback."""
    (tmp_path / "file").write_text("")
    assert main(["build", "--output", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.startswith("duckwatch-dashboards: ")


def test_the_default_folder_is_the_committed_one() -> None:
    """`build` without arguments writes what `check` compares and what provisioning serves."""
    assert GENERATED.name == "generated"
    assert GENERATED.parent.name == "grafana"
