"""The files behind the settings, looked at again while the program runs: secrets and certificates are renewed in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from collector.config.loading import load_with_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from collector.config.model import Settings

_Look: TypeAlias = "tuple[tuple[int, int, int] | None, ...]"


class SettingsFiles:
    """One configuration: its YAML file (None: none), the environment over it, and the files that it names."""

    def __init__(self, path: Path | None, environ: Mapping[str, str]) -> None:
        self._path, self._environ = path, dict(environ)
        self.loaded: Settings | None = None
        """What the last `load` returned."""
        self._files: list[Path] = []
        self._taken: _Look = ()
        self._seen: _Look = ()

    def load(self) -> Settings:
        """Reads everything. Raises ConfigError with every fault found; then the files count as looked at all the same."""
        self._taken = self._seen = self._look()
        settings, files = load_with_files(self._path, self._environ)
        self._files = [*files, *(settings.collector.tls.files or ())]
        self._taken = self._seen = self._look()
        self.loaded = settings
        return settings

    def have_changed(self) -> bool:
        """True when a file of a secret, the certificate or its key is another than at the last `load`, and the same as when this was
        asked before: what is being written is left to be finished. The YAML file itself does not count.
        """
        look, before = self._look(), self._seen
        self._seen = look
        return look == before != self._taken

    def _look(self) -> _Look:
        return tuple(map(_stamp, self._files))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
