"""The plugin's own tests, run by Node's test runner: one pytest case for each of its files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
FILES = sorted(path.name for path in HERE.glob("*.test.js"))
LEAST_NODE = 18
"""Node's test runner is part of Node from 18 on; the plugin itself runs on 16."""


def _node() -> str:
    """Return the path of a Node that can run the tests; without one skip, or fail in CI."""
    node = shutil.which("node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout if node else ""
    found = re.match(r"v(\d+)\.", version)
    if node is None or found is None or int(found[1]) < LEAST_NODE:
        missing = f"needs Node >= {LEAST_NODE} (found: {version.strip() or 'none'})"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return node


@pytest.fixture(scope="module")
def runs() -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Yield the run of each file. All are started at once, because they mostly wait for processes and retries."""
    node = _node()
    started = {
        file: subprocess.Popen(
            [node, "--test", file], cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for file in FILES
    }
    try:
        yield started
    finally:
        for run in started.values():
            run.terminate()
            run.communicate()


@pytest.mark.parametrize("file", FILES)
def test_the_plugin_behaves(runs: dict[str, subprocess.Popen[str]], file: str) -> None:
    """Every test of the file passes under Node. A failure shows Node's report."""
    output, _ = runs[file].communicate(timeout=280)
    assert runs[file].returncode == 0, re.sub(r"(?m)^ *(ok \d+.*|---|\.\.\.|duration_ms.*|type: .*)\n", "", output)
    assert "# pass 0" not in output


def test_every_file_is_run() -> None:
    """The files of Node's tests are found."""
    assert len(FILES) >= 6
