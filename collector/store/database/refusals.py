"""Why a connection failed: by the server's SQLSTATE and libpq's status, never by words, which may be in any language.

libpq keeps no SQLSTATE of a failed connection, only a text. So the connection is tried once more, with libpq told to
write the SQLSTATE in place of the text (PQERRORS_SQLSTATE, libpq 12 and newer).
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import re
import select
import sys
import time
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from psycopg import conninfo, pq

if TYPE_CHECKING:
    from collections.abc import Callable

PQERRORS_SQLSTATE: Final = 3

_SQLSTATE: Final = re.compile(r":\s+([0-9A-Z]{5})\s*$", re.MULTILINE)
"""The end of a line that libpq writes at that verbosity: `…: FATAL: 28P01`. The word before it may be translated."""


class Refusal(NamedTuple):
    """The answers of a DSN's servers: their SQLSTATEs in the order of the hosts; empty if none answered."""

    sqlstates: tuple[str, ...] = ()
    wants_password: bool = False
    """A server asked for a password, and the DSN has none."""
    is_other_state: bool = False
    """A server answers, but is not in the state that `target_session_attrs` requires: it is a standby, or read-only."""


def refusal_of(dsn: str, seconds: float) -> Refusal:
    """Connect to the servers of a DSN once more, and return why they refuse.

    Raise nothing: what cannot be found out is left out.
    """
    until = time.monotonic() + seconds
    found = _asked(dsn, until)
    if found is None:
        return Refusal()
    wanted = conninfo.conninfo_to_dict(dsn).get("target_session_attrs", "any")
    if not found.sqlstates and wanted != "any":
        again = _asked(conninfo.make_conninfo(dsn, target_session_attrs="any"), until)
        return found._replace(is_other_state=again is None)
    return found


def _asked(dsn: str, until: float) -> Refusal | None:
    """Return the refusal, or None if a server accepts the connection this time."""
    connection = pq.PGconn.connect_start(dsn.encode())
    with contextlib.closing(_ConnectionCloser(connection)):
        set_verbosity, pointer = _verbosity_setter(), getattr(connection, "pgconn_ptr", None)
        if set_verbosity is not None and pointer is not None:
            set_verbosity(pointer, PQERRORS_SQLSTATE)
        status = _polled(connection, until)
        if status == pq.PollingStatus.OK:
            return None
        text = connection.error_message.decode(errors="replace")
        return Refusal(tuple(_SQLSTATE.findall(text)), wants_password=connection.needs_password)


class _ConnectionCloser(NamedTuple):
    connection: pq.abc.PGconn

    def close(self) -> None:
        self.connection.finish()


def _polled(connection: pq.abc.PGconn, until: float) -> int:
    """Return the last polling status: OK, FAILED, or another one if the time ran out."""
    if connection.status == pq.ConnStatus.BAD:
        return pq.PollingStatus.FAILED
    while (status := connection.connect_poll()) in (pq.PollingStatus.READING, pq.PollingStatus.WRITING):
        is_reading = status == pq.PollingStatus.READING
        waiting = select.poll()
        waiting.register(connection.socket, select.POLLIN if is_reading else select.POLLOUT)
        if not waiting.poll(max(0.0, until - time.monotonic()) * 1000):
            break
    return status


@cache
def _verbosity_setter() -> Callable[[int, int], object] | None:
    """Return libpq's PQsetErrorVerbosity, from the library that psycopg has loaded; None if it cannot be found."""
    module = sys.modules.get(pq.PGconn.__module__)
    for name in (getattr(module, "__file__", None), ctypes.util.find_library("pq")):
        with contextlib.suppress(OSError, AttributeError):
            if name:
                function = ctypes.CDLL(name).PQsetErrorVerbosity
                function.argtypes = [ctypes.c_void_p, ctypes.c_int]
                return function
    return None
