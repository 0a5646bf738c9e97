"""The checks of this machine: where the journal lies, how much room it has, and how long its disk takes to make something durable."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from collector.operations.doctor.finding import fault, ok, skipped, warning
from duckwatch.base.config.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.operations.doctor.finding import Finding
    from collector.operations.doctor.installation import Patient

LEAST_ROOM_BYTES: Final = 64 << 20
IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
OVER_THE_NETWORK: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.glusterfs", "ceph"})
LAYERS: Final = frozenset({"overlay", "aufs"})

FSYNC_PROBES: Final = 20
PROBE_BYTES: Final = 8192
SLOW_FSYNC_MS: Final = 30.0

MOUNTS: Final = Path("/proc/self/mountinfo")


def journal_place(patient: Patient) -> Iterator[Finding]:
    """The journal can be written, on a disk that outlives a crash."""
    path = patient.settings.journal.path
    if os.path.isdir(path):  # noqa: PTH112 - raises nothing
        yield fault(f"{path} is a folder", f"name a file in it: collector.journal.path: {path}/journal")
        return
    folder = _existing(path.parent)
    if not os.access(folder, os.W_OK | os.X_OK) or (path.exists() and not os.access(path, os.R_OK | os.W_OK)):
        yield fault(
            f"{path} cannot be written by this user",
            f"run this as the user that runs the collector; if it is that user, as root: install -d -o USER -m 0700 {path.parent}"
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
        yield fault(f"{path} lies in memory ({kind}): a power cut loses acknowledged events", "move it to a disk")
    elif kind in OVER_THE_NETWORK:
        yield fault(f"{path} lies on a network file system ({kind})", "move it to a local disk: SQLite's log needs one")
    elif kind in LAYERS:
        yield warning(
            f"{path} lies in a container's own layer ({kind})", "mount a volume: the layer goes with the container"
        )
    else:
        yield ok(f"{path} can be written" + (f" ({kind})" if kind else ""))


def journal_room(patient: Patient) -> Iterator[Finding]:
    """The disk has room for the journal's quota."""
    settings = patient.settings.journal
    used = settings.path.stat().st_size if settings.path.is_file() else 0
    free = shutil.disk_usage(_existing(settings.path.parent)).free
    quota = format_size(settings.max_bytes)
    if free < LEAST_ROOM_BYTES:
        yield fault(
            f"{free >> 20} MiB are left on the journal's disk",
            "make room: without any, senders are told to come back later",
        )
    elif free + used < settings.max_bytes:
        yield warning(
            f"{(free + used) >> 20} MiB for a journal that may grow to {quota}",
            "make room, or lower collector.journal.max_bytes: it is how long the database may be away",
        )
    else:
        yield ok(f"{free >> 30} GiB free, for a journal of at most {quota}")


def journal_fsync(patient: Patient) -> Iterator[Finding]:
    """The disk makes a write durable within a time that senders can wait."""
    folder = _existing(patient.settings.journal.path.parent)
    if not os.access(folder, os.W_OK | os.X_OK):
        yield skipped("the journal's directory cannot be written")
        return
    milliseconds = fsync_ms(folder)
    what = f"{milliseconds:.2f} ms for an fsync of the journal's disk"
    if milliseconds > SLOW_FSYNC_MS:
        yield warning(what, "each acknowledgement waits for one: a quicker disk, or one with a protected write cache")
    else:
        yield ok(what)


def fsync_ms(folder: Path) -> float:
    """Returns the median time to append a page to a file there and make it durable. Raises OSError."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as probe:
        for _ in range(FSYNC_PROBES):
            began = time.perf_counter()
            os.write(probe.fileno(), b"\0" * PROBE_BYTES)
            os.fsync(probe.fileno())
            taken.append((time.perf_counter() - began) * 1000)
    return median(taken)


def file_system(folder: Path) -> str | None:
    """Returns the type of the file system, None where the system does not tell (proc(5), mountinfo)."""
    if not MOUNTS.exists():
        return None
    resolved = folder.resolve()
    mounts = {}
    for line in MOUNTS.read_text(errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        # Later lines hide earlier ones at the same place; octal escapes stand for spaces.
        mounts[Path(before.split()[4].replace("\\040", " "))] = after.split()[0]
    return next((mounts[place] for place in (resolved, *resolved.parents) if place in mounts), None)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there: the start makes the rest."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())
