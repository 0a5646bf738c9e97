"""Checks of `doctor` for a journal's file: its place, the room on its disk, and the time of an fsync."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from collector.finding import fault, ok, skipped, warning
from collector.journal.topic import Topic
from duckwatch.base.config.units import format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from collector.config.model import SqliteJournalSettings
    from collector.finding import Finding

LEAST_ROOM_BYTES: Final = 64 << 20
IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
OVER_THE_NETWORK: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.glusterfs", "ceph"})
LAYERS: Final = frozenset({"overlay", "aufs"})

FSYNC_PROBES: Final = 20
PROBE_BYTES: Final = 8192
SLOW_FSYNC_MS: Final = 30.0

MOUNTS: Final = Path("/proc/self/mountinfo")


def _place(settings: SqliteJournalSettings) -> Iterator[Finding]:
    """Check that the journal can be written, on a disk that outlives a crash."""
    path = settings.path
    if os.path.isdir(path):  # noqa: PTH112 - raises nothing
        yield fault(f"{path} is a folder", f"name a file in it: collector.journal.path: {path}/journal")
        return
    folder = _existing(path.parent)
    if not os.access(folder, os.W_OK | os.X_OK) or (path.exists() and not os.access(path, os.R_OK | os.W_OK)):
        yield fault(
            f"{path} cannot be written by this user",
            (
                f"run this as the user that runs the collector; if it is that user, as root: "
                f"install -d -o USER -m 0700 {path.parent}"
            )
            + (f", and chown USER {path}*" if folder == path.parent else ""),
        )
        return
    if path.exists() and path.stat().st_uid != os.geteuid():
        yield warning(
            f"{path} belongs to another user than the one who runs this",
            "run this as the user that runs the collector, or its rights are not seen",
        )
    kind = file_system(folder)
    if kind in IN_MEMORY:
        yield fault(
            f"{path} lies in memory ({kind}): a power cut loses acknowledged events",
            "move it to a disk",
        )
    elif kind in OVER_THE_NETWORK:
        yield fault(
            f"{path} lies on a network file system ({kind})",
            "move it to a local disk: SQLite's log needs one",
        )
    elif kind in LAYERS:
        yield warning(
            f"{path} lies in a container's own layer ({kind})",
            "mount a volume: the layer goes with the container",
        )
    else:
        yield ok(f"{path} can be written" + (f" ({kind})" if kind else ""))


def _room(settings: SqliteJournalSettings) -> Iterator[Finding]:
    """Check that the disk has room for the journal's quota."""
    used = settings.path.stat().st_size if settings.path.is_file() else 0
    free = shutil.disk_usage(_existing(settings.path.parent)).free
    quota = format_size(settings.max_bytes)
    if free < LEAST_ROOM_BYTES:
        yield fault(
            f"{free >> 20} MiB are left on the journal's disk",
            "make room: without any, senders must retry later",
        )
    elif free + used < settings.max_bytes:
        yield warning(
            f"{(free + used) >> 20} MiB for a journal that may grow to {quota}",
            "make room, or lower collector.journal.max_bytes: it is how long the database may be away",
        )
    else:
        yield ok(f"{free >> 30} GiB free, for a journal of at most {quota}")


def _speed(settings: SqliteJournalSettings) -> Iterator[Finding]:
    """Check that an fsync of the disk is fast enough for senders."""
    folder = _existing(settings.path.parent)
    if not os.access(folder, os.W_OK | os.X_OK):
        yield skipped("the journal's directory cannot be written")
        return
    milliseconds = fsync_ms(folder)
    what = f"{milliseconds:.2f} ms for an fsync of the journal's disk"
    if milliseconds > SLOW_FSYNC_MS:
        yield warning(
            what,
            "each acknowledgement waits for one: a quicker disk, or one with a protected write cache",
        )
    else:
        yield ok(what)


_QUESTIONS: Final[Mapping[Topic, Callable[[SqliteJournalSettings], Iterator[Finding]]]] = {
    Topic.PLACE: _place,
    Topic.ROOM: _room,
    Topic.SPEED: _speed,
}


def examine_file(settings: SqliteJournalSettings, topic: Topic) -> Iterator[Finding]:
    """Yield the findings on one topic about the file of these settings. Raise `OSError`."""
    return _QUESTIONS[topic](settings)


def fsync_ms(folder: Path) -> float:
    """Return the median time, in ms, to append a page to a file in the folder and fsync it. Raise OSError."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as probe:
        for _ in range(FSYNC_PROBES):
            began = time.perf_counter()
            os.write(probe.fileno(), b"\0" * PROBE_BYTES)
            os.fsync(probe.fileno())
            taken.append((time.perf_counter() - began) * 1000)
    return median(taken)


def file_system(folder: Path) -> str | None:
    """Return the type of the file system, or None if the system does not show it (proc(5), mountinfo)."""
    if not MOUNTS.exists():
        return None
    resolved = folder.resolve()
    mounts = {}
    for line in MOUNTS.read_text(errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        # A later mount hides an earlier one at the same place. `\040` is a space.
        mounts[Path(before.split()[4].replace("\\040", " "))] = after.split()[0]
    return next((mounts[place] for place in (resolved, *resolved.parents) if place in mounts), None)


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists. The collector creates the others at its start."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())
