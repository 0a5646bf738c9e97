"""A small disk that tests fill and enlarge: tmpfs, or ext4 on a loop device. It needs root."""

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
    """A tmpfs of `mib` MiB at `folder`."""

    def __init__(self, folder: Path, mib: int) -> None:
        self.folder = folder
        self._make(mib)

    def _make(self, mib: int) -> None:
        _allowed("mount", "-t", "tmpfs", "-o", f"size={mib}m", "duckwatch-test", str(self.folder))

    def grow(self, mib: int) -> None:
        """Enlarge the disk, as an operator would."""
        _allowed("mount", "-o", f"remount,size={mib}m", str(self.folder))

    def fill(self) -> int:
        """Fill the free space, as another program would. Return the number of bytes written now."""
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
        """Free the space that `fill` took."""
        (self.folder / FILLER).unlink(missing_ok=True)

    def remove(self) -> None:
        """Unmount it, even if a process has a file open on it."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=False)


class LoopDisk(SmallDisk):
    """An ext4 of `mib` MiB in a file, mounted at `folder`.

    A reserve file takes further room, which `grow` frees: not every kernel lets a mounted ext4 grow.
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
    """Run a command that needs root. If it fails, skip the test with the reason."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip(f"{words[0]} is not installed")
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here (needs root): {done.stderr.strip()}")


@contextmanager
def small_disk(folder: Path, mib: int, kind: str = "tmpfs") -> Iterator[SmallDisk]:
    """Mount a small disk for the block. If that is not allowed, skip the test with the reason."""
    folder.mkdir(parents=True, exist_ok=True)
    disk = KINDS[kind](folder, mib)
    try:
        yield disk
    finally:
        disk.remove()
