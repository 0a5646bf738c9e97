"""The commands of the documents that a developer, or whoever tries duckwatch, pastes in a fresh clone.

`.venv` is that of this test run, so that nothing is downloaded. Where a command would run for minutes, a variable that
the Makefile or pytest reads makes it short; the command itself is as it is written.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from release.commands import run
from tests.docs.blocks import pasted
from tests.docs.clone import Clone
from tests.servers.fixtures import need
from tests.servers.installed import command

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers

DEMO = pasted("make test   # the whole test suite")
FIRST_STEPS = pasted("make demo    # see it run")
TESTS = [
    pasted(f".venv/bin/python -m pytest -q {names}")
    for names in (
        "tests/unit/events/test_documentation.py tests/unit/events/test_replies.py",
        "-vv tests/contract/test_series.py tests/unit/test_metrics.py",
        "tests/integration/operations/test_doctor.py",
    )
]
LIFE = pasted("git diff docs/life-of-an-event.md")
WHEEL = pasted(".venv/bin/hatchling build -t wheel -d dist")
RULES = pasted(".venv/bin/duckwatch-rules build --output /tmp/alert-rules \\")
OVERLAY = pasted("cp -r deploy/kubernetes/overlays/kube-prometheus-stack deploy/kubernetes/overlays/production")
RULES_OF_THE_OVERLAY = pasted("(cd deploy/kubernetes/overlays/production/rules && kustomize create --autodetect)")
ALERTMANAGER = pasted("amtool check-config alert-rules/alertmanager.yml")
DASHBOARDS = pasted("duckwatch-dashboards build --config duckwatch.yml --output dashboards")
OPTIONS = pasted("  --jobs 'collector=job=\"mail/collector\"' --datasources timescale=duckwatch-timescale \\")
AUDIT, STRICT = pasted("make audit"), pasted("make audit AUDIT=--strict")

NOWHERE: Final = "http://127.0.0.1:9"
"""A proxy that nothing listens at: no request leaves this machine."""

OFFLINE: Final = {"HTTPS_PROXY": NOWHERE, "HTTP_PROXY": NOWHERE, "npm_config_fetch_retries": "0", "PIP_RETRIES": "0"}


@pytest.fixture(scope="module")
def clone() -> Iterator[Clone]:
    """A clone of the tree as it is. The account of the tests' PostgreSQL enters it."""
    with tempfile.TemporaryDirectory(prefix="duckwatch-clone-") as folder:
        Path(folder).chmod(0o755)
        yield Clone.make(Path(folder))


def test_the_demo_and_the_tests_run(clone: Clone) -> None:
    """The two commands of the README: the demo for some seconds, and one file of the tests."""
    demo = "--seconds 2 --port 0 --history 1 --rate 20"
    printed = clone.paste(DEMO, variables={"DEMO": demo, "PYTEST": "-q tests/unit/test_histogram.py", "JOBS": "1"})
    assert "duckwatch is running." in printed
    assert " passed" in printed


def test_the_first_steps_of_a_developer(clone: Clone) -> None:
    """The environment is there, and the demo runs."""
    printed = clone.paste(FIRST_STEPS, variables={"DEMO": "--seconds 1 --port 0 --history 1 --rate 5"})
    assert "duckwatch is running." in printed


def test_the_tests_that_a_developer_runs_exist(clone: Clone) -> None:
    """They are collected, not run: they are part of this run."""
    for block in TESTS:
        assert clone.paste(block, variables={"PYTEST_ADDOPTS": "--collect-only"}).count(": ") >= 1


def test_the_life_of_an_event_is_written_again(clone: Clone) -> None:
    """It is the same again, so git shows no difference."""
    printed = clone.paste(LIFE)
    assert " passed" in printed
    assert "diff --git" not in printed


def test_the_wheel_is_built(clone: Clone) -> None:
    """It is in dist."""
    clone.paste(WHEEL)
    assert len(list((clone.folder / "dist").glob("duckwatch-*.whl"))) == 1


def test_the_rules_get_addresses_of_ones_own(clone: Clone, tmp_path: Path) -> None:
    """Each alert links to the runbook that was named."""
    clone.paste(RULES, tmp=tmp_path)
    (rules,) = (tmp_path / "alert-rules" / "alerts").glob("queue.yml")
    assert "https://wiki.example.com/duckwatch" in rules.read_text(encoding="utf-8")


def test_an_overlay_of_kubernetes_gets_rules_with_addresses_of_ones_own(clone: Clone) -> None:
    """It has the same rules as the overlay that was copied, with the label of the Helm release, and no placeholder."""
    kustomize = need(lambda: command("kustomize"))
    overlays = clone.folder / "deploy" / "kubernetes" / "overlays"
    clone.paste(OVERLAY)
    clone.paste(RULES_OF_THE_OVERLAY, variables={"PATH": f"{kustomize.parent}:{os.environ['PATH']}"})
    settings = overlays / "production" / "kustomization.yaml"
    text = settings.read_text(encoding="utf-8")
    assert "  - ../../rules\n" in text
    settings.write_text(text.replace("  - ../../rules\n", "  - rules\n"), encoding="utf-8")
    shipped, ours = (rules_of(kustomize, overlays / name) for name in ("kube-prometheus-stack", "production"))
    assert shipped.keys() == ours.keys()
    assert all(one["metadata"] == shipped[name]["metadata"] for name, one in ours.items())
    assert "duckwatch.example" in str(shipped)
    assert "duckwatch.example" not in str(ours)
    assert "https://wiki.example.com/duckwatch" in str(ours)


def rules_of(kustomize: Path, overlay: Path) -> dict[str, dict[str, Any]]:
    """Return the PrometheusRules of an overlay by their names."""
    built = yaml.safe_load_all(run(kustomize, "build", overlay))
    return {one["metadata"]["name"]: one for one in built if one["kind"] == "PrometheusRule"}


def test_a_route_of_alertmanager_is_asked(clone: Clone) -> None:
    """Amtool finds no fault, and names the receivers."""
    folder = need(lambda: command("amtool")).parent
    printed = clone.paste(ALERTMANAGER, variables={"PATH": f"{folder}:{os.environ['PATH']}"})
    assert "SUCCESS" in printed
    assert "mail-slack-and-email" in printed


def test_the_dashboards_are_built(clone: Clone, tmp_path: Path) -> None:
    """With a file of settings, and with options."""
    title = {"grafana": {"title_prefix": "Ours: "}}
    (clone.folder / "duckwatch.yml").write_text(yaml.safe_dump(title), encoding="utf-8")
    clone.paste(DASHBOARDS)
    assert '"Ours: ' in (clone.folder / "dashboards" / "queue.json").read_text(encoding="utf-8")
    clone.paste(OPTIONS, tmp=tmp_path)
    text = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "dashboards").glob("*.json"))
    assert all(
        word in text for word in ('"Staging: ', "Europe/Berlin", "mail/collector", "(EU")
    )  # the name, as an expression


def test_an_audit_without_a_network_says_so(clone: Clone) -> None:
    """It fails on request only."""
    assert "not reached" in clone.paste(AUDIT, variables=OFFLINE)
    assert "not reached" in clone.paste(STRICT, code=2, variables=OFFLINE)
