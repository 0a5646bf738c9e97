"""The files that a configuration is made of: the YAML file, and those for secrets and targets that it or the environment names."""

from __future__ import annotations

import re
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exporters.dnsbl.config.document import SECRETS, lay_environment, mappings, read_file
from exporters.dnsbl.config.nulls import is_null_a_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SECTION: Final = "dnsbl"
_SECRET_FILES: Final = frozenset(f"{name}_file" for name in SECRETS)

Look = dict[Path, tuple[int, ...] | None]


class Sources:
    """Knows by place, size and time whether the files have changed; they are read only when the YAML file has."""

    def __init__(self, path: Path | None, environ: Mapping[str, str]) -> None:
        self._path, self._environ = path, environ
        self._secrets: list[Path] = []
        self._patterns: list[str] = []
        self._own: Look | None = None
        self._taken = self._seen = self._look()

    def note_read(self) -> None:
        """They are about to be read as they are now."""
        self._taken = self._seen = self._look()

    def have_changed(self) -> bool:
        """True when they are others than when they were last read, and the same as when this was asked before: what is being written is
        left to be finished.
        """
        look, before = self._look(), self._seen
        self._seen = look
        return look == before != self._taken

    def _look(self) -> Look:
        own = _stamps([self._path] if self._path is not None else [])
        if own != self._own:
            self._find_named()
            self._own = own
        return own | _stamps([*self._secrets, *(path for one in self._patterns for path in matches(one))])

    def _find_named(self) -> None:
        """Also of a configuration that is refused: its faults may lie in the files, and be mended there."""
        document = read_file(self._path, []) if self._path is not None else {}
        lay_environment(document, SECTION, self._environ, is_null_a_value)
        section = document.get(SECTION)
        named = section.get("target_files") if isinstance(section, dict) else None
        self._patterns = [one for one in named if isinstance(one, str)] if isinstance(named, list) else []
        self._secrets = [
            Path(value)
            for _, mapping in mappings(section)
            for key, value in mapping.items()
            if key in _SECRET_FILES and isinstance(value, str)
        ]


def matches(pattern: str) -> Iterator[Path]:
    """The files that a pattern names; a name without wildcards is one, whether it is there or not."""
    if re.search(r"[*?\[]", pattern):
        yield from map(Path, sorted(glob(pattern)))  # noqa: PTH207 - absolute patterns too
    else:
        yield Path(pattern)


def _stamps(paths: list[Path]) -> Look:
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
