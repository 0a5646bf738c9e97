"""The files behind the settings. They are looked at while the program runs: secrets and certificates are renewed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.config.model import Settings
from duckwatch.base.config.loading import load
from duckwatch.base.config.watching import FileWatch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class SettingsFiles:
    """One configuration: its YAML file (None: none), the environment over it, and the files that it names."""

    def __init__(self, path: Path | None, environ: Mapping[str, str]) -> None:
        self._path, self._environ = path, dict(environ)
        self.loaded: Settings | None = None
        """What the last `load` returned."""
        self._files: list[Path] = []
        self._watch = FileWatch(lambda: self._files)

    def load(self) -> Settings:
        """Read everything. Raise ConfigError with every fault; the files count as looked at then, too."""
        self._watch.take()
        loaded = load(Settings, self._path, self._environ)
        self._files = [*loaded.secret_files, *(loaded.settings.collector.tls.files or ())]
        self._watch.take()
        self.loaded = loaded.settings
        return loaded.settings

    def have_changed(self) -> bool:
        """Return True when a secret's file, the certificate or its key has changed since `load`, and is at rest.

        The YAML file itself does not count.
        """
        return self._watch.have_changed()
