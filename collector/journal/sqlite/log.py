"""The room of the journal's file and of its write-ahead log:
reserved before it is needed, so that rows can be deleted on a full disk.

A deletion writes a few pages into the log, `FILE-wal`, and then into the file, where they have their place already.
So it works on a full disk if the log has room of its own, and if everything that is in the log has its place in the
file. SQLite overwrites the log from its beginning once it is folded into the file,
and looks neither at what follows the log's last frame nor at what follows the file's last page:
zeros behind them are room that nobody else can take.
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
"""The log is copied into the file when it has about so many frames (4 MiB)."""

REMOVAL_FRAMES: Final = 16
"""Frames of one deletion, at most: the table's inner pages and what the list of free pages changes."""

RESERVED_FRAMES: Final = 8 * REMOVAL_FRAMES
"""Kept for deletions, behind everything else (1 MiB)."""

KEPT_LOG_BYTES: Final = 8 * 1024 * 1024
"""A log that grew past this (large requests) is cut to it when it begins anew."""

PROBE_FRAMES: Final = 64
"""What must have room before a full disk counts as mended."""

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
    """Return the frames that adding the rows takes, at most.

    Small rows share pages; a large one has pages of its own.
    """
    sizes = [len(row.body) for row in rows]
    small = sum(size + _ROW_BYTES for size in sizes if size <= _SMALL_BYTES)
    large = sum(size // _OVERFLOW_BYTES + 2 for size in sizes if size > _SMALL_BYTES)
    return 2 * small // _PAGE_BYTES + large + large // 16 + _FEW_FRAMES if rows else 0


class Room:
    """The room of the journal's two files on the disk, for rows to come. `used_frames`:
    those in the log since it began anew, at most.

    Make it after SQLite has locked the file, and close it after SQLite has:
    closing a file drops a process's locks on it (fcntl(2)).
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
        """Make the log large enough for `frames` more, and for deletions behind them;
        and the file for `pages` in all, so that the log can be folded into it.
        Raise `OSError` when the disk has no room: then both files are as they were.

        SQLite goes by the number of pages in the file's head, and ignores what is behind them.
        """
        file_bytes = pages * self._page_bytes
        log_bytes = _LOG_HEAD_BYTES + (self.used_frames + frames + RESERVED_FRAMES) * self._frame_bytes
        if file_bytes <= self._file_bytes and log_bytes <= self._log_bytes:
            return
        with _lengthened(self._file, file_bytes) as now, _lengthened(self._log, log_bytes) as log_now:
            self._file_bytes, self._log_bytes = now, log_now

    def note_commit(self, frames: int) -> None:
        """Count frames of a transaction. The first one after a fold may cut the log to KEPT_LOG_BYTES."""
        if not self.used_frames:
            self._log_bytes = 0
        self.used_frames += frames

    def note_cut(self) -> None:
        """Look anew how long the two files are, because SQLite may have cut them.

        A fold that fails half-way may have done so, too.
        """
        self._file_bytes = self._log_bytes = 0

    def close(self) -> None:
        """Close both files."""
        os.close(self._log)
        os.close(self._file)


@contextmanager
def _lengthened(file: int, wanted: int) -> Iterator[int]:
    """Make the file at least so long, and yield its length. After an `OSError`, also of the block, it is as it was."""
    before = size = os.fstat(file).st_size
    try:
        while size < wanted:
            size += os.pwrite(file, _ZEROS[: wanted - size], size)
        yield size
    except OSError:
        if size > before:
            os.ftruncate(file, before)
        raise
