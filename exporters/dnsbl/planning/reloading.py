"""Reload the configuration on SIGHUP and when one of its files changes. One with a fault is refused whole."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from duckwatch.base.config.loading import EmptiedFile
from duckwatch.base.errors import ConfigError
from exporters.dnsbl.config import SettingsFileWatch
from exporters.dnsbl.planning.plan_loading import Configuration, read_configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from exporters.dnsbl.metrics import Metrics

log = logging.getLogger(__name__)


class ConfigReloader:
    """Reads the configuration in a thread, because a large file takes seconds.

    One reading runs at a time. All requests that come meanwhile lead to one more reading.
    `take` is called with each valid configuration. It raises ConfigError for a change that needs a restart.
    """

    def __init__(
        self,
        path: Path | None,
        environ: Mapping[str, str],
        metrics: Metrics,
        take: Callable[[Configuration], None],
    ) -> None:
        self._path, self._environ, self._metrics, self._take = path, environ, metrics, take
        self._sources = SettingsFileWatch(path, environ)
        self._emptied = EmptiedFile(path)
        self._wake = asyncio.Event()
        self._is_asked = False

    def ask(self) -> None:
        """Request a reload."""
        self._is_asked = True
        self._wake.set()

    def look(self) -> None:
        """Request a reload if a file has changed, and has not changed further since the last look."""
        self._wake.set()

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            is_asked, self._is_asked = self._is_asked, False
            try:
                if is_asked or await asyncio.to_thread(self._sources.have_changed):
                    await self._reload()
            except Exception:
                # A bug in the reload must not end the checks: the configuration in force stays.
                log.exception("reading the configuration failed because of an error in the exporter")
                self._metrics.reload_successful.set(0)

    async def _reload(self) -> None:
        await asyncio.to_thread(self._sources.note_read)
        try:
            await asyncio.to_thread(self._emptied.refuse)
            self._take(await asyncio.to_thread(read_configuration, self._path, self._environ))
        except ConfigError as error:
            self._metrics.reload_successful.set(0)
            for fault in error.faults:
                log.error(  # noqa: TRY400 - the faults are all there is to say
                    "the new configuration is refused", extra={"fields": {"key": fault.place, "problem": fault.problem}}
                )
            return
        log.info("the configuration was read again")
