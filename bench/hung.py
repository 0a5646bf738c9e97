"""A collector that hangs: it accepts every connection, but never reads and never answers."""

from __future__ import annotations

import contextlib
import socket
from threading import Thread
from typing import Self


class HungCollector:
    """A context manager that listens on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._held: list[socket.socket] = []
        self._thread = Thread(target=self._accept, name="hung-collector", daemon=True)

    @property
    def url(self) -> str:
        """The URL for the plugin's settings."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/api/events/ingest"

    @property
    def accepted(self) -> int:
        """Connections accepted so far."""
        return len(self._held)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # ends the thread's accept()
        self._listener.close()
        self._thread.join(10)
        for connection in self._held:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            self._held.append(connection)
