"""A small disk for tests that fill one: a file system in memory, mounted at a folder, that can be made larger. Needs root."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class SmallDisk:
    """A tmpfs of so many MiB at `folder`."""

    def __init__(self, folder: Path, mib: int) -> None:
        self.folder = folder
        self._mount("-t", "tmpfs", "-o", f"size={mib}m", "duckwatch-test", str(folder))

    def grow(self, mib: int) -> None:
        """Makes room, as an operator would."""
        self._mount("-o", f"remount,size={mib}m", str(self.folder))

    def remove(self) -> None:
        """Unmounts it, whoever still has a file open in there."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=False)

    @staticmethod
    def _mount(*words: str) -> None:
        done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a small file system cannot be mounted here (needs root): {done.stderr.strip()}")


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[SmallDisk]:
    """Mounted within the block; the test skips, visibly, where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    disk = SmallDisk(folder, mib)
    try:
        yield disk
    finally:
        disk.remove()
