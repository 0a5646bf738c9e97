"""The files of the settings. The running program checks them, to renew secrets and certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.config.model import Settings
from duckwatch.base.config.loading import EmptiedFile, load
from duckwatch.base.config.watching import FileWatch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class SettingsFiles:
    """One configuration: its YAML file (or None), the environment over it, and the files that it names."""

    def __init__(self, path: Path | None, environ: Mapping[str, str]) -> None:
        self._path, self._environ = path, dict(environ)
        self.loaded: Settings | None = None
        """The result of the last `load`, or None."""
        self._files: list[Path] = []
        self._watch = FileWatch(lambda: self._files)
        self._emptied = EmptiedFile(path)

    def load(self) -> Settings:
        """Read all files. Raise ConfigError with every fault; the files then count as read, too."""
        self._watch.take()
        self._emptied.refuse()
        loaded = load(Settings, self._path, self._environ)
        self._files = [*loaded.secret_files, *(loaded.settings.collector.tls.files or ())]
        self._watch.take()
        self.loaded = loaded.settings
        return loaded.settings

    def have_changed(self) -> bool:
        """Return True if the file of a secret, the certificate or its key has changed since `load`, and is no longer
        being written. The YAML file itself does not count.
        """
        return self._watch.have_changed()
