"""Signal handlers for the time before the program installs its own.

`__main__` imports this module first. The other imports take long: a `systemctl reload` right after the start would
end the program.
"""

import signal
import sys

_asked: list[int] = []
_TAKEN = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_OTHERS = (signal.SIGUSR1, signal.SIGUSR2)
"""Signals that are ignored. By default they would end the program, and a log rotation's hook may send them."""


def is_asked_to_reload() -> bool:
    """Return True when SIGHUP came before the program had a handler for it."""
    return signal.SIGHUP in _asked


def is_asked_to_end() -> bool:
    """Return True when SIGTERM or SIGINT came before the program had a handler for it, and yet it goes on.

    Python ignores an exception in the callback of a weak reference, which an import uses, so `SystemExit` can be lost.
    """
    return signal.SIGTERM in _asked or signal.SIGINT in _asked


def release() -> None:
    """Restore the default handlers, for a command that is not a service. A SIGHUP that came already ends it now.

    Without a call of `install` before it, this does nothing.
    """
    if signal.getsignal(signal.SIGHUP) is not _take:
        return
    for number in (*_TAKEN, *_OTHERS):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    if signal.SIGHUP in _asked:
        signal.raise_signal(signal.SIGHUP)


def _take(number: int, frame: object) -> None:
    del frame
    _asked.append(number)
    if number != signal.SIGHUP:
        # The program has not begun its work, so there is nothing to finish.
        sys.exit(0)


def install() -> None:
    """Install the handlers. Only a program's main thread may call this, never the import of a library."""
    # SIGHUP last: a test that sees its handler may send any of these signals.
    for number in _OTHERS:
        signal.signal(number, signal.SIG_IGN)
    for number in _TAKEN:
        signal.signal(number, _take)
