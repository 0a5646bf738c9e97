"""The drift check: compares the committed dashboards with those that the code builds.

Each difference is one line: the file, the panel, the path within it, and the value before and after.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from grafana.generate import render
from grafana.settings import DEFAULTS, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ABSENT = "(absent)"
SHOWN = 60
"""The number of characters of a value that a line shows."""

NAMED_BY = ("id", "refId", "name", "url", "uid")
"""The keys that can name an entry of a list: the first that every entry has with a unique value.
Without such a key an entry is named by its index.
"""


def file_differences(directory: Path, settings: Settings = DEFAULTS) -> list[str]:
    """Return a line for each difference; an empty list means that there is none.

    Raise OSError for a file that cannot be read.
    """
    expected = render(settings)
    # Text mode would translate line ends and hide a difference in them, so the files are read as bytes.
    found = {path.name: path.read_bytes() for path in sorted(directory.glob("*.json"))}
    missing = [f"{name}: is missing\n" for name in expected if name not in found]
    surplus = [f"{name}: is surplus, no dashboard makes it\n" for name in found if name not in expected]
    changed = [
        f"{name}: {line}\n"
        for name, text in expected.items()
        if name in found and found[name] != text.encode()
        for line in _changes(found[name], text)
    ]
    return missing + surplus + changed


def value_changes(before: Any, after: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Yield a line for each value that differs, as the path of the value, then before → after."""
    return _walk(before, after, "")


def _changes(found: bytes, expected: str) -> list[str]:
    try:
        before = json.loads(found)
    except ValueError as error:
        return [f"is no JSON: {error}"]
    lines = list(value_changes(before, json.loads(expected)))
    return lines or ["has the same content in other bytes (line ends, spaces or order)"]


def _walk(before: Any, after: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Yield a line for each value that differs."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _walk(before.get(key, ABSENT), after.get(key, ABSENT), f"{path}.{key}" if path else key)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _walk_list(before, after, path)
    elif before != after or isinstance(before, bool) is not isinstance(after, bool):  # to Python, true equals 1
        yield f"{path}: {_pair(before, after)}"


def _walk_list(before: list[Any], after: list[Any], path: str) -> Iterator[str]:
    key = next((key for key in NAMED_BY if _names(before, key) and _names(after, key)), None)
    if key is None:
        for index in range(max(len(before), len(after))):
            old, new = (values[index] if index < len(values) else ABSENT for values in (before, after))
            yield from _walk(old, new, f"{path}[{index}]")
        return
    found, expected = ({entry[key]: entry for entry in values} for values in (before, after))
    for name in dict.fromkeys([*found, *expected]):
        place = _place(path, (expected.get(name) or found[name]), name)
        if name in found and name in expected:
            yield from _walk(found[name], expected[name], place)
        else:
            yield f"{place}: {'is not made by the code' if name in found else 'is missing'}"
    if [name for name in found if name in expected] != [name for name in expected if name in found]:
        yield f"{path}: stand in another order"


def _names(values: list[Any], key: str) -> bool:
    """Return whether every entry has this key, with a value that no other entry has."""
    names = [entry.get(key) for entry in values if isinstance(entry, dict)]
    are_names = all(isinstance(name, str | int) and not isinstance(name, bool) for name in names)
    return are_names and len(names) == len(values) == len({str(name) for name in names})


def _place(path: str, entry: dict[str, Any], name: object) -> str:
    """Return the name of a list's entry in a line; a panel is named by its id and title."""
    if path.rpartition(".")[2] == "panels":
        return f"panel {name} “{entry.get('title', '')}”"
    return f"{path}[{name}]"


def _pair(before: Any, after: Any) -> str:  # noqa: ANN401 - JSON
    """Return both values. Long values are cut to the part around their first difference."""
    old, new = (value if value is ABSENT else json.dumps(value, ensure_ascii=False) for value in (before, after))
    same = 0
    if before is not ABSENT and after is not ABSENT:
        same = next(
            (at for at, (one, two) in enumerate(zip(old, new, strict=False)) if one != two), min(len(old), len(new))
        )
    start = max(0, same - SHOWN // 3) if max(len(old), len(new)) > SHOWN else 0
    return f"{_window(old, start)} → {_window(new, start)}"


def _window(text: str, start: int) -> str:
    shown = text[start : start + SHOWN]
    return ("…" if start else "") + shown + ("…" if start + SHOWN < len(text) else "")
