"""The process that serves: how Python is tuned for it, and the loop it runs on."""

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
"""The writer computes while the loop answers: with Python's own 5 ms an acknowledgement waits that long for its turn.
"""

GARBAGE_THRESHOLDS: Final = 10_000, 10, 10
"""What a request leaves behind holds no cycles; Python's own 700 has the loop stop and look for some ten times as
often.
"""


def serve(settings: Settings, files: SettingsFiles, signals: Signals | None) -> None:
    """Run the collector until it is told to stop. Raise `StartError` and `WriterFailedError`."""
    sys.setswitchinterval(SWITCH_SECONDS)
    app = App(settings.collector, files, signals)
    # What is there now stays: it need not be searched each time.
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
