"""The examples for CI (`examples/ci/`): their form by the official schemas, and their commands, run as CI runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from grafana.__main__ import main
from grafana.generate import render
from tests.integration.push.ci_runner import CiRunner, Script
from tests.servers.grafana_stand_in import GrafanaStandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.servers.grafana import Grafana

    System = Callable[[str, Mapping[str, str]], list[Script]]

EXAMPLES = Path(__file__).parents[3] / "examples" / "ci"
SCHEMAS = {
    "github-actions.yml": ("--builtin-schema", "vendor.github-workflows"),
    "gitlab-ci.yml": ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
}
WRONG = {"github-actions.yml": ("runs-on:", "run-on:"), "gitlab-ci.yml": ("script:\n", "scripts:\n")}
SOURCE = "git+https://git.example.com/duckwatch.git@v0.1.0"
"""The place from which the examples install, which a user replaces by another."""

CONFIGURATION = 'grafana: {folder: From CI, title_prefix: "CI: "}\n'


def check(path: Path, name: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "check_jsonschema", *SCHEMAS[name], str(path)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_example_has_the_form_of_its_ci_system(tmp_path: Path, name: str) -> None:
    """The official schema accepts the file, and refuses it with a wrong key."""
    checked = check(EXAMPLES / name, name)
    assert checked.returncode == 0, checked.stdout
    text = (EXAMPLES / name).read_text()
    assert WRONG[name][0] in text
    (tmp_path / name).write_text(text.replace(*WRONG[name]))
    assert check(tmp_path / name, name).returncode == 1


def test_every_example_is_checked() -> None:
    """A new file joins the table of schemas."""
    assert {path.name for path in EXAMPLES.iterdir()} == set(SCHEMAS)


def github(job: str, given: Mapping[str, str]) -> list[Script]:
    """Return the scripts of a workflow's job, its installation first. `given` has the variables and secrets."""
    workflow = yaml.safe_load((EXAMPLES / "github-actions.yml").read_text())
    steps = [step for step in workflow["jobs"][job]["steps"] if "run" in step]
    return [
        Script([step["run"]], {key: _github(value, given) for key, value in (workflow["env"] | _env(step)).items()})
        for step in steps
    ]


def gitlab(job: str, given: Mapping[str, str]) -> list[Script]:
    """Return the scripts of a pipeline's job, its installation first."""
    pipeline = yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text())
    variables = pipeline["variables"] | pipeline[job]["variables"]
    environ = {key: re.sub(r"\$(\w+)", lambda found: given[found[1]], value) for key, value in variables.items()}
    return [Script(lines, environ) for lines in (pipeline["default"]["before_script"], pipeline[job]["script"])]


def _env(step: dict[str, Any]) -> dict[str, str]:
    return dict(step.get("env", {}))


def _github(value: str, given: Mapping[str, str]) -> str:
    return re.sub(r"\$\{\{ (?:vars|secrets)\.(\w+) \}\}", lambda found: given[found[1]], value)


@pytest.fixture(scope="module", params=[github, gitlab], ids=["github", "gitlab"])
def system(request: pytest.FixtureRequest) -> System:
    """Return what reads the scripts of a CI system's example."""
    read: System = request.param
    return read


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory, system: System) -> Iterator[CiRunner]:
    """Yield the machine of a CI system, on which the example's installation has been run from this tree."""
    folder = tmp_path_factory.mktemp("runner")
    made = CiRunner(folder)
    nothing = dict.fromkeys(("GRAFANA_URL", "GRAFANA_VIEWER_TOKEN", "GRAFANA_EDITOR_TOKEN"), "")
    install, again = (system(job, nothing)[0] for job in ("change", "main"))
    assert install.lines == again.lines
    assert SOURCE in install.environ.values()
    ended = made.run(install._replace(environ={"DUCKWATCH_SOURCE": made.source}), folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    yield made
    made.stop()


@pytest.fixture
def server() -> Iterator[Grafana]:
    """Yield a stand-in of Grafana."""
    stand_in = GrafanaStandIn()
    yield stand_in.client()
    stand_in.stop()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a user's repository: the configuration, and the dashboards that `build` wrote."""
    (tmp_path / "duckwatch.yml").write_text(CONFIGURATION)
    configuration, dashboards = str(tmp_path / "duckwatch.yml"), str(tmp_path / "dashboards")
    assert main(["build", "--config", configuration, "--output", dashboards]) == 0
    return tmp_path


def test_a_change_is_checked_and_main_is_pushed(
    server: Grafana, repository: Path, system: System, runner: CiRunner
) -> None:
    """A change writes nothing and shows what it would write; main pushes, and pushes nothing again."""
    given = {f"GRAFANA_{role.upper()}_TOKEN": server.token(role) for role in ("Viewer", "Editor")}
    given["GRAFANA_URL"] = server.url
    code, out = runner.run_all(system("change", given)[1:], repository)
    assert code == 0, out
    assert out.count("would create duckwatch-") == len(render())
    assert server.ask("GET", "/api/search?type=dash-db") == []
    assert {path.name for path in (repository / "build" / "dashboards").iterdir()} == set(render())
    code, out = runner.run_all(system("main", given)[1:], repository)
    assert code == 0, out
    stored = server.ask("GET", "/api/search?type=dash-db")
    assert len(stored) == len(render())
    assert all(one["title"].startswith("CI: ") for one in stored)
    code, out = runner.run_all(system("main", given)[1:], repository)
    assert (code, out.count("unchanged    duckwatch-")) == (0, len(render())), out
    assert not any(token in out for token in given.values() if token.startswith("glsa_"))


@pytest.mark.parametrize("job", ["change", "main"])
def test_a_committed_dashboard_that_differs_ends_the_job(
    server: Grafana, repository: Path, system: System, runner: CiRunner, job: str
) -> None:
    """The difference is named, and nothing is pushed."""
    given = {"GRAFANA_URL": server.url, "GRAFANA_VIEWER_TOKEN": "none", "GRAFANA_EDITOR_TOKEN": "none"}
    path = repository / "dashboards" / "queue.json"
    path.write_text(path.read_text().replace('"CI: Queue"', '"Mine"'))
    code, out = runner.run_all(system(job, given)[1:], repository)
    assert code == 1
    assert 'queue.json: title: "Mine" → "CI: Queue"' in out
    assert server.ask("GET", "/api/search?type=dash-db") == []
