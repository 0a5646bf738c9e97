"""Resource shortages: of file descriptors, memory, threads or disk. The program reports one and waits until it ends."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import resource
import socket
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SPARE: Final = 16
"""Spare descriptors held open. They are closed for the journal and the database when no other is left."""

REPORTED_SECONDS: Final = 10.0
"""Seconds for which /readyz names a shortage after it was last met."""

OUT_OF_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE)
_OF_NUMBER: Final = {
    errno.EMFILE: "descriptors",
    errno.ENFILE: "descriptors",
    errno.ENOMEM: "memory",
    errno.ENOBUFS: "memory",
    errno.EAGAIN: "threads",  # of fork or thread creation (RLIMIT_NPROC); a socket's EAGAIN never comes here
    errno.ENOSPC: "disk",
    errno.EDQUOT: "disk",
}

_log = logging.getLogger(__name__)

RESOURCES: Final = tuple(dict.fromkeys(_OF_NUMBER.values()))
"""What a machine may have too little of."""


def shortage_of(error: BaseException) -> str | None:
    """Return the resource that an error says is short: `descriptors`, `memory`, `threads` or `disk`; else None."""
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, OSError):
        return _OF_NUMBER.get(error.errno or 0)
    # CPython raises a plain RuntimeError. Only its text identifies it (Modules/_threadmodule.c).
    is_thread = isinstance(error, RuntimeError) and str(error) == "can't start new thread"
    return "threads" if is_thread else None


def shortage_now() -> str | None:
    """Return the resource that a new socket lacks at this moment, None when it can be opened.

    This is for libraries that report a failed connection without its errno: libpq's text may be in any language, and
    pymongo has its own errors.
    """
    try:
        with socket.socket():
            return None
    except OSError as error:
        return shortage_of(error)


def open_descriptors() -> int:
    """Return the number of open descriptors of this process; a guess if the system does not list them."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return len(os.listdir(folder))  # noqa: PTH208 - only the number is needed
    return SPARE


def allow_descriptors(wanted: int) -> int:
    """Raise the soft limit of open files to `wanted`, as far as the hard limit allows. Return the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted if soft == resource.RLIM_INFINITY else soft
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS has a further limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return soft


def connections_allowed(wanted: int, *, others: int, least: int = 8) -> int:
    """Return how many of the `wanted` connections the limit of open files allows, but at least `least`.

    `others` is the number of descriptors that the program opens itself.
    The limit is raised first, if the system allows it. A limit that stays too low is logged.
    """
    used = open_descriptors() + others + SPARE
    limit = allow_descriptors(used + wanted)
    allowed = min(wanted, max(least, limit - used))
    if allowed < wanted:
        _log.warning(
            "the limit of open files allows fewer connections than are configured: raise it (ulimit -n, LimitNOFILE=)",
            extra={
                "fields": {"open_files": limit, "needed": used + wanted, "connections": allowed, "configured": wanted}
            },
        )
    return allowed


class Shortages:
    """The recent resource shortages, and the spare descriptors. Only the event loop's thread may use it.

    `count` is called with the resource of each shortage. `make_room` is called when descriptors are short, and should
    close connections.
    """

    def __init__(
        self, count: Callable[[str], None], make_room: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._count, self._make_room, self._clock = count, make_room, clock
        self._spare: list[int] = []
        self._met: dict[str, float] = {}

    @property
    def trouble(self) -> str | None:
        """The resource that was short last, None when there was no shortage within REPORTED_SECONDS."""
        since = self._clock() - REPORTED_SECONDS
        return next((word for word, at in reversed(self._met.items()) if at > since), None)

    def met(self, word: str) -> None:
        """Note a shortage: count it each time, and log when it begins."""
        if self.trouble != word:
            _log.warning(
                "the machine has too little of a resource: the work is tried again", extra={"fields": {"of": word}}
            )
        self._met.pop(word, None)
        self._met[word] = self._clock()
        self._count(word)

    def look(self) -> None:
        """Open the spare descriptors, or close them all when descriptors are short. Call this every second."""
        was_met = "descriptors" in self._met
        try:
            while len(self._spare) < SPARE:
                self._spare.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            if error.errno in OUT_OF_DESCRIPTORS:
                self.give_up()
            return
        if was_met and self.trouble is None:
            del self._met["descriptors"]
            _log.warning("the machine has free descriptors again")

    def give_up(self) -> None:
        """Close the spare descriptors and some connections, so that others can open descriptors."""
        self.close()
        self.met("descriptors")
        self._make_room()

    def close(self) -> None:
        """Close the spare descriptors."""
        while self._spare:
            os.close(self._spare.pop())
