"""Credentials and certificate renewed without a restart: when one of their files changes, and on SIGHUP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from collector.errors import ConfigError, Fault

if TYPE_CHECKING:
    from collector.config import SettingsFiles
    from collector.metrics import Metrics
    from collector.web.server import HttpServer

LOOK_SECONDS: Final = 5.0

log = logging.getLogger(__name__)


class Renewal:
    """Looks at the files every few seconds. What cannot be used is logged, and what was there before stays in force."""

    def __init__(self, files: SettingsFiles, server: HttpServer, metrics: Metrics, *, look_seconds: float) -> None:
        self._files, self._server = files, server
        self._gauge = metrics.config_last_reload_successful
        self._gauge.set(1)
        self._look_seconds = look_seconds
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Has everything read again at once, the YAML file too."""
        self._asked.set()

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            # Not wait_for: it may swallow the cancelling that a stop consists of (Python 3.11).
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_seconds):
                    await self._asked.wait()
            try:
                if self._asked.is_set() or await asyncio.to_thread(self._files.have_changed):
                    self._asked.clear()
                    await self._renew()
            except Exception:
                # A fault of ours must not end this task: nobody would see that credentials are no longer renewed.
                log.exception("renewing failed within the collector")
                self._asked.clear()
                self._gauge.set(0)

    async def _renew(self) -> None:
        try:
            settings = await asyncio.to_thread(self._files.load)
            self._server.renew(settings.collector)
        except (ConfigError, OSError) as error:
            faults = error.faults if isinstance(error, ConfigError) else [Fault("collector.tls", "cannot be read")]
            for fault in faults:
                # Both are this program's own words; what is written under a key, or as one, is not shown.
                log.error(  # noqa: TRY400 - the faults are all there is to say
                    "not renewed: the settings that were in force stay",
                    extra={"fields": {"key": fault.place, "problem": fault.problem}},
                )
            self._gauge.set(0)
            return
        log.info("credentials and certificate renewed")
        self._gauge.set(1)
