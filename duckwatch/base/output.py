"""Standard output and standard error of a command, safe with any encoding, a full disk or a closed pipe."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

EXIT_FAILED: Final = 1

OF_WRITING: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""The errors of a write to standard output. An error of opening a file has a `filename` instead."""


def guarded(program: str, command: Callable[[], int]) -> int:
    """Run a command and return its exit code. If it cannot write its output, print one line and return 1.

    Raise SystemExit as argparse does, for `--help` and a wrong command line.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            code = command()
        except SystemExit:  # argparse raises it
            _flush()
            raise
        _flush()
    except BrokenPipeError:
        if not _is_reader_gone():
            raise  # another pipe or connection broke
        code = EXIT_FAILED  # the reader has closed the pipe, so no message can reach it
    except OSError as error:
        if error.filename is not None or error.errno not in OF_WRITING:
            raise
        complain(f"{program}: the output cannot be written: {os.strerror(error.errno or 0)}")
        code = EXIT_FAILED
    _let_go()
    return code


def complain(text: str) -> None:
    """Print a line on standard error, if that can be written at all."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def json_text(text: str) -> str:
    """Return JSON unchanged for an output in UTF-8, else in ASCII: another encoding is not valid
    JSON (RFC 8259, 8.1).
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if text.isascii() or encoding.lower().replace("-", "").replace("_", "") == "utf8":
        return text
    # JSON is ASCII outside of strings. A character beyond U+FFFF is written as two escapes, a surrogate pair.
    units = text.encode("utf-16-be", "surrogatepass")
    codes = [int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2)]
    return "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes)


def _is_reader_gone() -> bool:
    """Return True when the reader of standard output or standard error has closed the pipe."""
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or without a descriptor
            poll.register(stream.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # it is None if it was closed before the start
            stream.flush()


def _let_go() -> None:
    """Discard unwritten output. Else Python would try to write it at exit, print an error, and exit with code 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            with contextlib.suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
