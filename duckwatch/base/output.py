"""Standard output and error of a command: an encoding that is not UTF-8, a full disk, a closed pipe."""

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
"""What a write to standard output fails with. An error of a file that was opened names the file."""


def guarded(program: str, command: Callable[[], int]) -> int:
    """Run a command and return its exit code. What it cannot write is one line on standard error, and exit code 1.

    Raises SystemExit as argparse does, for `--help` and a wrong command line.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            code = command()
        except SystemExit:  # of argparse
            _flush()
            raise
        _flush()
    except BrokenPipeError:
        if not _is_reader_gone():
            raise  # of another pipe or connection
        code = EXIT_FAILED  # nobody reads any more: nobody is to be told
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
    """Return JSON as standard output takes it: as it is in UTF-8, else in ASCII.
    JSON in any other encoding is none (RFC 8259, 8.1).
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if text.isascii() or encoding.lower().replace("-", "").replace("_", "") == "utf8":
        return text
    # Outside of strings JSON is ASCII. Beyond U+FFFF an escape is a pair of surrogates.
    units = text.encode("utf-16-be", "surrogatepass")
    codes = [int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2)]
    return "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes)


def _is_reader_gone() -> bool:
    """Return whether nobody reads the standard output or error any more."""
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or no file
            poll.register(stream.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # it is None where it was closed before the start
            stream.flush()


def _let_go() -> None:
    """Leave nothing that Python would try to write at its end, with a complaint of its own and exit code 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            with contextlib.suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
