"""The examined installation: the settings, and the servers, each connected when a check first asks for it."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from prometheus_client.parser import text_string_to_metric_families

from collector.store.database.connection import connect, deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from collector.config import CollectorSettings
    from collector.telemetry import Signals

PATIENCE_SECONDS: Final = 10.0
"""A server that is silent for this long counts as one that does not answer."""

MOST_BYTES: Final = 16 << 20
"""The byte limit of an answer: another program in the collector's place may never end its answer."""

EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # where such a listener is reached


@dataclass
class Installation:
    """One installation. `signals` are the telemetry signals that the environment turns on. Close it after use."""

    settings: CollectorSettings
    signals: Signals | None
    _connection: psycopg.Connection | None = field(default=None, init=False)

    @contextlib.contextmanager
    def database(self) -> Iterator[psycopg.Connection]:
        """Yield the one connection of all checks, in autocommit mode; it is cut when it hangs.

        Raise `StoreUnavailableError`, and `psycopg.Error`.
        """
        if self._connection is None or self._connection.closed:
            self._connection = connect(self.settings.database.dsn.get_secret_value())
            self._connection.autocommit = True
        with deadline(self._connection, PATIENCE_SECONDS):
            yield self._connection

    @property
    def url(self) -> str:
        """Return the URL on which the collector of these settings listens."""
        listen = self.settings.listen
        host = EVERYWHERE.get(listen.host, listen.host)
        scheme = "http" if self.settings.tls.certificate is None else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{listen.port}"

    def ready(self) -> dict[str, Any]:
        """Return the running collector's answer on /readyz.

        Raise OSError if none answers, ValueError if another program answers.
        """
        found = json.loads(self._get("/readyz"))
        if not isinstance(found, dict) or "ready" not in found:
            raise ValueError("not a collector")
        return found

    def metric(self, name: str) -> float | None:
        """Return a metric without labels of the running collector, None if it is missing. Raise as `ready` does."""
        page = self._get("/metrics").decode()
        values = (s.value for family in text_string_to_metric_families(page) for s in family.samples if s.name == name)
        return next(values, None)

    def _get(self, path: str) -> bytes:
        # The certificate is for the name that senders use, not for this address. Nothing secret is sent.
        context = ssl._create_unverified_context()  # noqa: S323, SLF001  # public in all but its name (PEP 476)
        try:
            with urllib.request.urlopen(self.url + path, timeout=PATIENCE_SECONDS, context=context) as answer:  # noqa: S310  # http(s)
                page: bytes = answer.read(MOST_BYTES)
        except urllib.error.HTTPError as error:  # 503 while it is not ready
            with error:
                return error.read(MOST_BYTES)
        except http.client.HTTPException:
            raise ValueError("not HTTP") from None
        return page

    def close(self) -> None:
        """Close what was opened."""
        if self._connection is not None:
            self._connection.close()
