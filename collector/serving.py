"""The process that serves: Python's tuning, and the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from typing import TYPE_CHECKING, Final

from collector.app import App

if TYPE_CHECKING:
    from collector.config import Settings, SettingsFiles
    from collector.telemetry import Signals

SWITCH_SECONDS: Final = 0.001
"""How often threads switch. The writer computes while the loop answers; with Python's default, an acknowledgement
would wait up to 5 ms.
"""

GARBAGE_THRESHOLDS: Final = 10_000, 10, 10
"""The objects of a request have no cycles. With Python's default of 700, the garbage collector would stop the loop ten
times as often.
"""


def serve(settings: Settings, files: SettingsFiles, signals: Signals | None) -> None:
    """Run the collector until a signal stops it. Raise `StartError` and `WriterFailedError`."""
    sys.setswitchinterval(SWITCH_SECONDS)
    app = App(settings.collector, files, signals)
    # The objects of the start stay for ever, so the garbage collector need not search them.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(app.run())


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415  # not on every platform

        return uvloop.Loop
    return None
