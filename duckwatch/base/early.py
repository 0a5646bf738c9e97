"""Signals from the first line on: until the program has handlers of its own, none of them may end it half-way.

Imported before everything else by `__main__`: the other imports take long enough for a `systemctl reload` in the same
breath as the start.
"""

import signal
import sys

_asked: list[int] = []
_TAKEN = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_OTHERS = (signal.SIGUSR1, signal.SIGUSR2)
"""Nothing is done at these; the system's default would end the program (a log rotation's hook sends them)."""


def is_asked_to_reload() -> bool:
    """Return True when SIGHUP came before anybody could take it."""
    return signal.SIGHUP in _asked


def release() -> None:
    """For a command that is no service: signals end it, as they end any program; one that came already does so now.

    Does nothing where `install` was not called.
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
        # Nothing has been taken in yet that would have to be finished.
        sys.exit(0)


def install() -> None:
    """Take the signals. To be called in the main thread of a program, never by an import of a library."""
    # SIGHUP last: whoever sees that it is taken may send any of them.
    for number in _OTHERS:
        signal.signal(number, signal.SIG_IGN)
    for number in _TAKEN:
        signal.signal(number, _take)
