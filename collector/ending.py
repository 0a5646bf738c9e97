"""The end of the process within its time, whatever does not answer: a disk that hangs, a thread that computes."""

from __future__ import annotations

import logging
import os
import threading
from typing import Final

log = logging.getLogger(__name__)

EXIT_UNFINISHED: Final = 1


def end_within(seconds: float) -> None:
    """End the process with exit code 1 after so many seconds, unless it has ended by then.

    A thread in a system call that does not return holds up Python's own end. What was acknowledged is on disk, and comes again at the
    next start.
    """

    def end() -> None:
        log.error("the collector did not stop in time: it ends now", extra={"fields": {"seconds": seconds}})
        logging.shutdown()
        os._exit(EXIT_UNFINISHED)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
