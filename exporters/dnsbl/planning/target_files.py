"""Target files: plain lists (one target a line) and Prometheus's file_sd (JSON or YAML)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from duckwatch.base.config.document import read_text, read_yaml
from duckwatch.base.errors import Fault
from exporters.dnsbl.config.sources import matches
from exporters.dnsbl.lists import names
from exporters.dnsbl.planning.plan import TargetEntry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_SD_SUFFIXES: Final = (".json", ".yml", ".yaml")
MAX_FAULTS: Final = 10
"""Most faults reported of one file, so that a wrong file does not fill the log."""

_MAX_BYTES: Final = 4 << 20
_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_PORT: Final = re.compile(r"(\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^:/\s]+))(:[0-9]{1,5})?", re.ASCII)


def read_target_files(patterns: tuple[str, ...], faults: list[Fault], warnings: list[Fault]) -> list[TargetEntry]:
    """Return every target of the files. Append faults to `faults`, and files without a target to `warnings`."""
    wanted: list[TargetEntry] = []
    for index, pattern in enumerate(patterns):
        if not any(matches(pattern)):
            warnings.append(Fault(f"dnsbl.target_files.{index}", f"no file is named {pattern}"))
    for key, path in _named(patterns):
        if _is_special(path):
            faults.append(Fault(f"{key} ({path})", "must be a file"))  # reading a pipe could wait for ever
            continue
        text = read_text(path, f"{key} ({path})", faults, _MAX_BYTES, takes_utf16=True)
        if text is None:
            continue
        own: list[Fault] = []
        entries = list(_file_sd(text, path.suffix, own) if path.suffix in FILE_SD_SUFFIXES else _lines(text))
        if not entries and not own:
            warnings.append(Fault(f"{key} ({path})", "names no target: the file is empty, or all of it is comments"))
        for place, entry in entries:
            try:
                wanted.append(TargetEntry(f"{key} ({path}, {place})", names.parse(entry)))
            except ValueError as error:
                own.append(Fault(place, str(error)))
        faults += [Fault(f"{key} ({path}, {fault.key})", fault.problem) for fault in own[:MAX_FAULTS]]
    return wanted


def _is_special(path: Path) -> bool:
    """Return True for a folder, a pipe or a device.

    False for a path that this user may not see: reading it names the reason.
    """
    try:
        return path.exists() and not path.is_file()
    except PermissionError:  # this user may not enter one of the path's folders
        return False


def _named(patterns: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Yield the files, each with the key of its pattern."""
    for index, pattern in enumerate(patterns):
        for path in matches(pattern):
            yield f"dnsbl.target_files.{index}", path


def _lines(text: str) -> Iterator[tuple[str, str]]:
    # Not splitlines: it also splits at characters that no editor shows as a line end.
    for number, line in enumerate(_LINE_END.split(text), 1):
        entry = line.partition("#")[0].strip()
        if entry:
            yield f"line {number}", entry


def _file_sd(text: str, suffix: str, faults: list[Fault]) -> Iterator[tuple[str, str]]:
    """Yield the entries of a file_sd document, without the port that scrape targets have."""
    try:
        # JSON is YAML too, but the YAML reader takes a hundred times as long.
        groups = json.loads(text or "[]") if suffix == ".json" else read_yaml(text) or []
    except (yaml.YAMLError, ValueError, RecursionError):
        faults.append(Fault("whole", "must be valid JSON or YAML"))
        return
    for number, group in enumerate(groups if isinstance(groups, list) else [groups], 1):
        entries: Any = group.get("targets") if isinstance(group, dict) else None
        if not isinstance(entries, list):
            faults.append(Fault(f"group {number}", "must be a mapping with a list of targets, as file_sd has it"))
            continue
        for entry in entries:
            match = _PORT.fullmatch(entry) if isinstance(entry, str) else None
            yield f"group {number}", (match["v6"] or match["host"]) if match else str(entry)
