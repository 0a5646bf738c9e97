"""The disk space of the journal's file and of its write-ahead log. It is reserved before it is needed, so that rows can
be deleted on a full disk.

A deletion writes a few pages into the log, `FILE-wal`, and later into the file, where the pages exist already. So it
works on a full disk if the log has free space, and if the file has space for every page in the log.
SQLite overwrites the log from its beginning once it is folded (copied) into the file. It ignores all bytes behind the
log's last frame and behind the file's last page, so zeros there reserve disk space.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from collector.events.model.batch import JournalEntry

FOLD_FRAMES: Final = 512
"""The log is copied into the file when it has about this many frames (4 MiB)."""

REMOVED_AT_ONCE: Final = 500
"""The most rows that a transaction without additions removes, so that it fits into the reserved room of the log."""

REMOVAL_FRAMES: Final = 16
"""The most frames of a deletion of few rows: the table's inner pages, and the changed pages of the list of free pages.

Measured for rows of 100 B to 300 kB, as is `frames_of_removal`.
"""

RESERVED_FRAMES: Final = 8 * REMOVAL_FRAMES
"""Frames that are reserved for deletions, behind all others (1 MiB)."""

KEPT_LOG_BYTES: Final = 8 * 1024 * 1024
"""A larger log (after large submissions) is cut to this size when SQLite overwrites it from the beginning."""

PROBE_FRAMES: Final = 64
"""A full disk counts as repaired once this many frames have room."""

_PAGE_BYTES: Final = 8192
_OVERFLOW_BYTES: Final = _PAGE_BYTES - 4
_SMALL_BYTES: Final = 8000  # what fits into a page of the table whole
_ROW_BYTES: Final = 24
_FEW_FRAMES: Final = 8
_FRAME_HEAD_BYTES: Final = 24
_LOG_HEAD_BYTES: Final = 32
_ZEROS: Final = bytes(1 << 16)


def log_path(path: Path) -> Path:
    """Return the path of the file's write-ahead log."""
    return path.with_name(f"{path.name}-wal")


def frames_of(rows: Sequence[JournalEntry]) -> int:
    """Return the most frames that adding the rows can take. Small rows share pages; a large row has its own."""
    sizes = [len(row.body) for row in rows]
    small = sum(size + _ROW_BYTES for size in sizes if size <= _SMALL_BYTES)
    large = sum(size // _OVERFLOW_BYTES + 2 for size in sizes if size > _SMALL_BYTES)
    return 2 * small // _PAGE_BYTES + large + large // 16 + _FEW_FRAMES if rows else 0


def frames_of_removal(rows: int) -> int:
    """Return the most frames that a deletion of that many rows can take: few, because freed pages are not written."""
    return REMOVAL_FRAMES + rows // 6


class LogSpace:
    """The disk space of the journal's two files. `used_frames` is the most frames that the log can have since SQLite
    began it again.

    Create it after SQLite has locked the file, and close it after SQLite has closed it: closing a file releases all
    locks of the process on it (fcntl(2)).
    """

    def __init__(self, path: Path, *, page_bytes: int) -> None:
        self._page_bytes, self._frame_bytes = page_bytes, page_bytes + _FRAME_HEAD_BYTES
        self._log = os.open(log_path(path), os.O_RDWR | os.O_CLOEXEC)
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            os.close(self._log)
            raise
        self.used_frames = max(0, os.fstat(self._log).st_size - _LOG_HEAD_BYTES) // self._frame_bytes
        self._file_bytes = self._log_bytes = 0  # how long the two files are at least

    def reserve(self, frames: int, pages: int) -> None:
        """Lengthen the log for `frames` more and for deletions, and the file to `pages`, so that the log can be folded
        into it. Raise `OSError` if the disk has no room; both files then keep their length.

        SQLite uses the number of pages in the file's header, and ignores the bytes behind them.
        """
        file_bytes = pages * self._page_bytes
        log_bytes = _LOG_HEAD_BYTES + (self.used_frames + frames + RESERVED_FRAMES) * self._frame_bytes
        if file_bytes <= self._file_bytes and log_bytes <= self._log_bytes:
            return
        with _lengthened(self._file, file_bytes) as now, _lengthened(self._log, log_bytes) as log_now:
            self._file_bytes, self._log_bytes = now, log_now

    def holds(self, frames: int) -> bool:
        """Return True if `frames` more fit into the log without new disk space. Raise `OSError`."""
        return _LOG_HEAD_BYTES + (self.used_frames + frames) * self._frame_bytes <= os.fstat(self._log).st_size

    def note_commit(self, frames: int) -> None:
        """Count the frames of a transaction. The first one after a fold may cut the log to KEPT_LOG_BYTES."""
        if not self.used_frames:
            self._log_bytes = 0
        self.used_frames += frames

    def note_cut(self) -> None:
        """Forget the known lengths of the two files, because SQLite may have cut them, also in a fold that failed."""
        self._file_bytes = self._log_bytes = 0

    def close(self) -> None:
        """Close both files."""
        os.close(self._log)
        os.close(self._file)


@contextmanager
def _lengthened(file: int, wanted: int) -> Iterator[int]:
    """Lengthen the file to `wanted` bytes, and yield its length. After an `OSError`, also in the block, cut it back."""
    before = size = os.fstat(file).st_size
    try:
        while size < wanted:
            size += os.pwrite(file, _ZEROS[: wanted - size], size)
        yield size
    except OSError:
        if size > before:
            os.ftruncate(file, before)
        raise
