"""Renewal of credentials, connection strings and certificate without a restart: when a file changes, and on SIGHUP."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from typing import TYPE_CHECKING, Final

from collector.config.renewable import changes
from duckwatch.base.errors import ConfigError, Fault

if TYPE_CHECKING:
    from collector.config import Settings, SettingsFiles
    from collector.config.renewable import Connections
    from collector.metrics import Metrics
    from collector.web.server import HttpServer

LOOK_SECONDS: Final = 5.0

log = logging.getLogger(__name__)


class Renewal:
    """Checks the files every `look_seconds`. On an error it logs the faults, and the old settings stay in force."""

    def __init__(
        self,
        files: SettingsFiles,
        server: HttpServer,
        metrics: Metrics,
        *,
        look_seconds: float,
        connections: Connections | None = None,
    ) -> None:
        self._files, self._server, self._connections = files, server, connections
        self._in_force = files.loaded
        self._certificate = _digest(files.loaded)
        self._gauge = metrics.config_last_reload_successful
        self._gauge.set(1)
        self._look_seconds = look_seconds
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Request that all files are read again at once, the YAML file too."""
        self._asked.set()

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            # Not wait_for: in Python 3.11 it may swallow the cancellation that stops this task.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_seconds):
                    await self._asked.wait()
            try:
                if self._asked.is_set() or await asyncio.to_thread(self._files.have_changed):
                    self._asked.clear()
                    await self._renew()
            except Exception:
                # A fault of ours must not end this task: the renewal would stop without a sign.
                log.exception("reading the settings again failed because of an error in the collector")
                self._asked.clear()
                self._gauge.set(0)

    async def _renew(self) -> None:
        try:
            settings = await asyncio.to_thread(self._files.load)
            self._server.renew(settings.collector)
        except (ConfigError, OSError) as error:
            faults = error.faults if isinstance(error, ConfigError) else [Fault("collector.tls", "cannot be read")]
            for fault in faults:
                # `place` and `problem` quote no value and no unknown key of the file, which may be a secret.
                log.error(  # noqa: TRY400 - the faults are all there is to say
                    "settings were not renewed: the old ones stay in force",
                    extra={"fields": {"key": fault.place, "problem": fault.problem}},
                )
            self._gauge.set(0)
            return
        self._report(settings)
        self._gauge.set(1)

    def _report(self, settings: Settings) -> None:
        """Take the new connection strings, and log which keys are renewed and which wait for a restart."""
        before, self._in_force = self._in_force, settings
        changed = [] if before is None else [*changes(before.collector, settings.collector)]
        taken = set() if self._connections is None else self._connections.take(settings.collector)
        certificate, self._certificate = self._certificate, _digest(settings)
        renewed = [key for key in changed if key.startswith("collector.auth.") or key in taken]
        # TLS itself is switched on and off only by a restart.
        if certificate is not None and self._certificate is not None:
            paths = [key for key in changed if key.startswith("collector.tls.")]
            renewed += paths or (["collector.tls.certificate"] if self._certificate != certificate else [])
        waiting = [key for key in changed if key not in renewed]
        if renewed:
            log.info("settings were renewed", extra={"fields": {"keys": ", ".join(renewed)}})
        if waiting:
            log.warning(
                "changed settings come into force at a restart only", extra={"fields": {"keys": ", ".join(waiting)}}
            )
        if not changed and not renewed:
            log.info("the configuration was read again: nothing has changed")


def _digest(settings: Settings | None) -> bytes | None:
    """Return a digest of the certificate's files; None without TLS; empty if a file cannot be read."""
    files = None if settings is None else settings.collector.tls.files
    if files is None:
        return None
    try:
        return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).digest()
    except OSError:
        return b""
