"""Ends the process within its time limit, even if a disk hangs or a thread does not stop."""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

EXIT_UNFINISHED: Final = 1


def together(*parts: Callable[[], object]) -> None:
    """Run the parts at the same time, and return when all have ended, so that their waits do not add up.

    An exception of one part is logged, and does not stop the others.
    """
    with ThreadPoolExecutor(len(parts), thread_name_prefix="ending") as threads:
        for one in [threads.submit(part) for part in parts]:
            if (error := one.exception()) is not None:
                log.error("a part of the collector did not stop as it should", exc_info=error)


def end_within(seconds: float) -> None:
    """End the process with exit code 1 after `seconds`, unless it has ended by then.

    Python's own exit waits for threads, also for one in a system call that does not return. Acknowledged events are on
    disk, and come again at the next start.
    """

    def end() -> None:
        log.error("the collector did not stop in time: it ends now", extra={"fields": {"seconds": seconds}})
        logging.shutdown()
        os._exit(EXIT_UNFINISHED)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
