"""The drift check: are the committed dashboards what the code makes, no more, no less?"""

from __future__ import annotations

from difflib import unified_diff
from typing import TYPE_CHECKING

from grafana.generate import render

if TYPE_CHECKING:
    from pathlib import Path


def differences(directory: Path) -> list[str]:
    """Return what differs, as text to print, one entry a file: missing, extra, or a unified diff. Empty:
    all is as generated.
    """
    expected = render()
    # read_bytes: universal newlines would hide a difference of line ends.
    found = {path.name: path.read_bytes().decode("utf-8", "replace") for path in sorted(directory.glob("*.json"))}
    missing = [f"missing: {name}\n" for name in expected if name not in found]
    extra = [f"extra: {name} (no dashboard makes it)\n" for name in found if name not in expected]
    changed = [
        _diff(name, found[name], text) for name, text in expected.items() if name in found and found[name] != text
    ]
    return missing + extra + changed


def _diff(name: str, found: str, expected: str) -> str:
    lines = unified_diff(
        found.splitlines(keepends=True), expected.splitlines(keepends=True), f"committed/{name}", f"generated/{name}"
    )
    return "".join(lines)
