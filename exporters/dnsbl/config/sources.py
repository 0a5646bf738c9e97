"""The files of a configuration: the YAML file, and the secret and target files that it or the environment names."""

from __future__ import annotations

import re
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

from duckwatch.base.config.loading import read_document
from duckwatch.base.config.secret_files import named_secret_files
from duckwatch.base.config.watching import FileWatch, stamp
from exporters.dnsbl.config.model import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from duckwatch.base.config.watching import Stamp


class SettingsFileWatch:
    """Detects changed files by inode, size and time. It reads only the YAML file, when that has changed, to find the
    others.
    """

    def __init__(self, path: Path | None, environ: Mapping[str, str]) -> None:
        self._path, self._environ = path, environ
        self._secrets: list[Path] = []
        self._patterns: list[str] = []
        self._is_read = False
        self._own: Stamp = None
        self._watch = FileWatch(self._files)

    def note_read(self) -> None:
        """Remember the present state of the files, just before they are read."""
        self._watch.take()

    def have_changed(self) -> bool:
        """Return True when the files have changed since the last `note_read`, and no longer change."""
        return self._watch.have_changed()

    def _files(self) -> Iterator[Path]:
        own = stamp(self._path) if self._path is not None else None
        if own != self._own or not self._is_read:
            self._find_named()
            self._own, self._is_read = own, True
        if self._path is not None:
            yield self._path
        yield from self._secrets
        for pattern in self._patterns:
            yield from matches(pattern)

    def _find_named(self) -> None:
        """Find the files that the configuration names, even if it is refused: the faults may be in those files."""
        document = read_document(Settings, self._path, self._environ, [])
        section = document.get("dnsbl")
        named = section.get("target_files") if isinstance(section, dict) else None
        self._patterns = [one for one in named if isinstance(one, str)] if isinstance(named, list) else []
        self._secrets = named_secret_files(document, Settings)


def matches(pattern: str) -> Iterator[Path]:
    """Yield the files that match a pattern. A path without wildcards is yielded even if it does not exist."""
    if re.search(r"[*?\[]", pattern):
        yield from map(Path, sorted(glob(pattern)))  # noqa: PTH207 - absolute patterns too
    else:
        yield Path(pattern)
