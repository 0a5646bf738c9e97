"""A small disk for tests that fill one: a file system in memory, or ext4 on a loop device, that can be made larger.
Needs root.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

FILLER, SPARE = "somebody-elses", "spare"
SPARE_MIB = 600


class SmallDisk:
    """A tmpfs of so many MiB at `folder`."""

    def __init__(self, folder: Path, mib: int) -> None:
        self.folder = folder
        self._make(mib)

    def _make(self, mib: int) -> None:
        _allowed("mount", "-t", "tmpfs", "-o", f"size={mib}m", "duckwatch-test", str(self.folder))

    def grow(self, mib: int) -> None:
        """Makes room, as an operator would."""
        _allowed("mount", "-o", f"remount,size={mib}m", str(self.folder))

    def fill(self) -> int:
        """Another program takes all the room that is left; returns how many bytes it took now."""
        taken = 0
        with (self.folder / FILLER).open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1 << 9):
                with contextlib.suppress(OSError):
                    while True:
                        taken += file.write(bytes(size))
            with contextlib.suppress(OSError):
                os.fsync(file.fileno())
        return taken

    def clear(self) -> None:
        """The other program gives its room back."""
        (self.folder / FILLER).unlink(missing_ok=True)

    def remove(self) -> None:
        """Unmounts it, whoever still has a file open in there."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=False)


class LoopDisk(SmallDisk):
    """An ext4 of so many MiB in a file, at `folder`. It is larger by a file that takes the room which `grow` gives:
    not every kernel lets a mounted ext4 grow.
    """

    def _make(self, mib: int) -> None:
        number, name = tempfile.mkstemp(prefix="duckwatch-disk-")
        self._image = Path(name)
        os.truncate(number, (mib + SPARE_MIB) << 20)
        os.close(number)
        try:
            _allowed("mkfs.ext4", "-q", "-F", "-m", "0", name)
            _allowed("mount", "-o", "loop", name, str(self.folder))
        except BaseException:
            self._image.unlink()
            raise
        with (self.folder / SPARE).open("wb") as spare:
            found = os.statvfs(self.folder)
            os.posix_fallocate(spare.fileno(), 0, found.f_bavail * found.f_bsize - (mib << 20))

    def grow(self, mib: int) -> None:
        del mib
        (self.folder / SPARE).unlink(missing_ok=True)

    def remove(self) -> None:
        super().remove()
        self._image.unlink()


KINDS: dict[str, type[SmallDisk]] = {"tmpfs": SmallDisk, "ext4": LoopDisk}


def _allowed(*words: str) -> None:
    """Runs a command that root may; the test skips, visibly, where it fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip(f"{words[0]} is not installed")
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here (needs root): {done.stderr.strip()}")


@contextmanager
def small_disk(folder: Path, mib: int, kind: str = "tmpfs") -> Iterator[SmallDisk]:
    """Mounted within the block; the test skips, visibly, where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    disk = KINDS[kind](folder, mib)
    try:
        yield disk
    finally:
        disk.remove()
