"""What the machine has too little of: descriptors, memory, threads, disk. It is reported and waited for;
it ends nothing.
"""

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
"""Descriptors that are held open, to be given up for the journal and the database when the process has no other left.
"""

REPORTED_SECONDS: Final = 10.0
"""How long /readyz names a shortage after it was last met."""

OUT_OF_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE)
_OF_NUMBER: Final = {
    errno.EMFILE: "descriptors",
    errno.ENFILE: "descriptors",
    errno.ENOMEM: "memory",
    errno.ENOBUFS: "memory",
    errno.EAGAIN: "threads",  # of a fork or a thread (RLIMIT_NPROC); a socket's EAGAIN is no error that comes here
    errno.ENOSPC: "disk",
    errno.EDQUOT: "disk",
}

_log = logging.getLogger(__name__)


def shortage_of(error: BaseException) -> str | None:
    """Return what there is too little of, in a word: `descriptors`, `memory`, `threads` or `disk`;
    None for any other error.
    """
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, OSError):
        return _OF_NUMBER.get(error.errno or 0)
    # CPython raises a plain RuntimeError with this text; there is nothing else to know it by (Modules/_threadmodule.c).
    is_thread = isinstance(error, RuntimeError) and str(error) == "can't start new thread"
    return "threads" if is_thread else None


def shortage_now() -> str | None:
    """Return the word for what a new socket lacks at this moment, None when it lacks nothing.

    For a library that says that a connection failed, and not by which errno:
    libpq's text is in any language, and pymongo has its own.
    """
    try:
        with socket.socket():
            return None
    except OSError as error:
        return shortage_of(error)


def open_descriptors() -> int:
    """Return how many descriptors this process has open; a guess where the system does not list them."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return len(os.listdir(folder))  # noqa: PTH208 - the number alone is asked for
    return SPARE


def allow_descriptors(wanted: int) -> int:
    """Raise the soft limit of open files to `wanted`, as far as the hard limit lets this process;
    return what the limit is now.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted if soft == resource.RLIM_INFINITY else soft
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS knows a further limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return soft


def connections_allowed(wanted: int, *, others: int, least: int = 8) -> int:
    """Return how many of the `wanted` connections the limit of open files has room for,
    beside `others` that the program opens itself.

    Raises the limit first where that is allowed, and logs when it is not enough.
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
    """What there was too little of lately, and the spare descriptors. For the event loop's thread.

    `count` is called with the word of each shortage that is met; `make_room` when descriptors are short:
    it should close connections.
    """

    def __init__(
        self, count: Callable[[str], None], make_room: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._count, self._make_room, self._clock = count, make_room, clock
        self._spare: list[int] = []
        self._met: dict[str, float] = {}

    @property
    def trouble(self) -> str | None:
        """The word of the shortage met last, None when there was none for a while."""
        since = self._clock() - REPORTED_SECONDS
        return next((word for word, at in reversed(self._met.items()) if at > since), None)

    def met(self, word: str) -> None:
        """Note a shortage: counted each time, logged when it begins."""
        if self.trouble != word:
            _log.warning("the machine has too little: it is tried again", extra={"fields": {"of": word}})
        self._met.pop(word, None)
        self._met[word] = self._clock()
        self._count(word)

    def look(self) -> None:
        """To be called every second: takes spare descriptors while there are some,
        and gives them up when there are none.
        """
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
            _log.warning("there are descriptors again")

    def give_up(self) -> None:
        """Let go of the spare descriptors, for whatever needs one most, and close connections."""
        self.close()
        self.met("descriptors")
        self._make_room()

    def close(self) -> None:
        """Close the spare descriptors."""
        while self._spare:
            os.close(self._spare.pop())
