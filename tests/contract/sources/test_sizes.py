"""A function has at most 40 lines and a module at most 300, so that each is read in one go."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("bench", "collector", "deploy", "duckwatch", "examples", "exporters", "grafana", "release", "tests")
FUNCTION_LINES = 40
"""Without the docstring and the decorators."""
MODULE_LINES = 300

LONG_FUNCTIONS: dict[str, int] = {
    "collector/web/server.py::build_server": 50,
    "tests/acceptance/test_blocklists.py::__init__": 50,
    "tests/integration/dnsbl/test_dnsbl.py::test_changes_are_posted_again_until_they_are_taken": 50,
    "tests/integration/process/test_full_disks.py::under_spool": 50,
    "tests/integration/process/test_rotation.py::test_a_rotated_dsn_file_is_taken_without_a_restart": 55,
    "tests/integration/sources/test_two_clusters.py::test_the_same_ids_in_two_clusters_are_two_messages": 55,
    "tests/quiet_week/house.py::_mail": 50,
    "tests/quiet_week/house.py::_programs": 60,
    "tests/servers/grafana_stand_in.py::__init__": 55,
    "tests/unit/grafana/kinds.py::every_kind": 55,
    "tests/unit/test_config.py::test_every_fault_is_named_at_once": 70,
    "tests/unit/test_config.py::test_the_file_of_the_design_is_read": 45,
}
"""Functions that are longer, with the most lines that each may have. Divide one rather than add to it."""

LONG_MODULES: dict[str, int] = {
    "collector/events/model/event.py": 350,
    "collector/events/sources/zonemta.py": 350,
    "collector/feeds/mongo/follower.py": 350,
    "collector/store/people/subjects.py": 350,
    "exporters/dnsbl/app.py": 350,
    "tests/acceptance/test_push.py": 450,
    "tests/contract/test_dashboards.py": 750,
    "tests/deploy/test_compose.py": 400,
    "tests/integration/database/test_faults.py": 350,
    "tests/integration/database/test_lost_commits.py": 350,
    "tests/integration/dnsbl/test_dnsbl.py": 700,
    "tests/integration/operations/test_doctor.py": 700,
    "tests/integration/operations/test_first_mistakes.py": 600,
    "tests/integration/operations/test_people.py": 400,
    "tests/integration/process/test_canaries.py": 350,
    "tests/integration/process/test_clock.py": 400,
    "tests/integration/process/test_demo.py": 400,
    "tests/integration/process/test_full_disks.py": 450,
    "tests/integration/process/test_telemetry.py": 350,
    "tests/integration/rollups/test_community.py": 350,
    "tests/integration/sources/test_wildduck_stream.py": 350,
    "tests/integration/writing/test_bad_input.py": 500,
    "tests/integration/writing/test_reconciliation.py": 400,
    "tests/integration/writing/test_store.py": 350,
    "tests/servers/nameserver.py": 350,
    "tests/unit/dnsbl/test_checks.py": 400,
    "tests/unit/dnsbl/test_config.py": 500,
    "tests/unit/events/test_arf.py": 350,
    "tests/unit/events/test_border.py": 400,
    "tests/unit/events/test_pseudonyms.py": 450,
    "tests/unit/events/test_replies.py": 550,
    "tests/unit/events/test_reply_wordings.py": 450,
    "tests/unit/events/test_zonemta_rows.py": 450,
    "tests/unit/feeds/test_input.py": 400,
    "tests/unit/test_config.py": 600,
    "tests/unit/test_journal_errors.py": 400,
    "tests/unit/test_metrics.py": 350,
}
"""Modules that are longer, with the most lines that each may have. Divide one rather than add to it."""


def functions(text: str) -> dict[str, int]:
    """Return the lines of each function of a module, also of methods and nested functions; of one name the longest."""
    found: dict[str, int] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            first = node.body[0]
            if ast.get_docstring(node, clean=False) is not None:
                lines -= (first.end_lineno or 0) - first.lineno + 1
            found[node.name] = max(lines, found.get(node.name, 0))
    return found


def _texts() -> dict[str, str]:
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


TEXTS = _texts()
FUNCTIONS = {
    f"{name}::{function}": lines for name, text in TEXTS.items() for function, lines in functions(text).items()
}
MODULES = {name: len(text.splitlines()) for name, text in TEXTS.items()}


@pytest.mark.parametrize(
    ("sizes", "most", "longer"),
    [(FUNCTIONS, FUNCTION_LINES, LONG_FUNCTIONS), (MODULES, MODULE_LINES, LONG_MODULES)],
    ids=["functions", "modules"],
)
def test_nothing_is_too_long(sizes: dict[str, int], most: int, longer: dict[str, int]) -> None:
    """What is longer is in a list, does not grow beyond its number, and leaves the list once it is divided."""
    assert len(sizes) > 500
    assert {name: lines for name, lines in sizes.items() if lines > longer.get(name, most)} == {}
    assert [name for name in longer if sizes.get(name, 0) <= most] == [], "take these out of the list"


def test_the_lines_of_a_function_are_counted() -> None:
    """A docstring and decorators do not count, a signature over several lines does."""
    text = '@one\n@two\ndef a(\n    b,\n):\n    """Say.\n\n    More.\n    """\n    def c():\n        return 1\n'
    assert functions(text) == {"a": 5, "c": 2}
