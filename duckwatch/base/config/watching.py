"""Detect changed files while a program runs, without reading them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

Stamp: TypeAlias = "tuple[int, ...] | None"


class FileWatch:
    """Watches the files that `paths` returns. Their state at construction counts as read."""

    def __init__(self, paths: Callable[[], Iterable[Path]]) -> None:
        self._paths = paths
        self._taken = self._seen = self._look()

    def take(self) -> None:
        """Remember the present state of the files: their content is about to be read, or was just read."""
        self._taken = self._seen = self._look()

    def have_changed(self) -> bool:
        """Return True when a file differs from the last `take`, but not from the last call of this method.

        So a file that is still being written does not count yet.
        """
        look, before = self._look(), self._seen
        self._seen = look
        return look == before != self._taken

    def _look(self) -> dict[Path, Stamp]:
        return {path: stamp(path) for path in self._paths()}


def stamp(path: Path) -> Stamp:
    """Return device, inode, size and modification time of a file, None when it is missing."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
