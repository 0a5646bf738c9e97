"""The plugin's own tests, run by Node's test runner: one pytest case for each of its files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("file", FILES)
def test_the_plugin_behaves(file: str) -> None:
    """Every test of the file passes under Node; a failure shows Node's own report of it."""
    run = subprocess.run([_node(), "--test", file], cwd=HERE, capture_output=True, text=True, check=False, timeout=280)
    assert run.returncode == 0, (
        re.sub(r"(?m)^ *(ok \d+.*|---|\.\.\.|duration_ms.*|type: .*)\n", "", run.stdout) + run.stderr
    )
    assert "# pass 0" not in run.stdout


def test_every_file_is_run() -> None:
    """Node's tests are found at all."""
    assert len(FILES) >= 6
