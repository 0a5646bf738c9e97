"""The connection strings and the token in use. They change while the collector runs, when a file with credentials
changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from psycopg.conninfo import conninfo_to_dict
from pydantic import BaseModel

from collector.config.connections import POSTGRES_SCHEMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.config.model import CollectorSettings

CREDENTIALS: Final = frozenset({"user", "password", "passfile", "sslcert", "sslkey", "sslpassword", "sslrootcert"})
"""The parts of a PostgreSQL connection string that may change while the collector runs.

Another server or database may hold other events.
"""


class Renewable:
    """A connection string whose `text` may change. Each new connection uses the current text."""

    def __init__(self, text: str) -> None:
        self.text = text


Connectable: TypeAlias = str | Renewable


def dsn_text(connectable: Connectable) -> str:
    """Return the current connection string."""
    return connectable if isinstance(connectable, str) else connectable.text


LIVE_KEY: Final = "collector.live.token"


class Connections:
    """The connection strings of a collector and its token for Grafana, by the key of each."""

    def __init__(self, settings: CollectorSettings) -> None:
        self._strings = {key: Renewable(text) for key, text in _strings(settings)}
        self.dsn = self._strings["collector.database.dsn"]
        self.direct_dsn = self._strings.get("collector.database.session_dsn", self.dsn)
        self.mongo = [one for key, one in self._strings.items() if key.startswith("collector.mongo.")]
        self.live_token = self._strings.get(LIVE_KEY)

    def take(self, settings: CollectorSettings) -> set[str]:
        """Replace the strings that lead to the same server and database as before. Return the keys of changed ones."""
        taken = set()
        for key, text in _strings(settings):
            one = self._strings.get(key)
            if one is not None and one.text != text and (key == LIVE_KEY or server_of(one.text) == server_of(text)):
                one.text = text
                taken.add(key)
        return taken


def server_of(text: str) -> object:
    """Return the server and database of a connection string, without credentials, for comparison."""
    if "://" in text and not text.startswith(POSTGRES_SCHEMES):
        scheme, _, rest = text.partition("://")
        return scheme, rest.rpartition("@")[2]
    return {name: value for name, value in conninfo_to_dict(text).items() if name not in CREDENTIALS}


def changes(old: BaseModel, new: BaseModel, prefix: str = "collector.") -> Iterator[str]:
    """Yield the dotted keys in which two sections differ."""
    for name in type(old).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        pairs = [(before, after)]
        # Not an Endpoint: its parts have no keys.
        if type(before) is type(after) is tuple and len(before) == len(after):
            pairs = list(zip(before, after, strict=True))
        for index, (was, became) in enumerate(pairs):
            key = f"{prefix}{name}" if len(pairs) == 1 and was is before else f"{prefix}{name}.{index}"
            if isinstance(was, BaseModel) and type(was) is type(became):
                yield from changes(was, became, f"{key}.")
            elif was != became:
                yield key


def _strings(settings: CollectorSettings) -> Iterator[tuple[str, str]]:
    yield "collector.database.dsn", settings.database.dsn.get_secret_value()
    if settings.database.session_dsn is not None:
        yield "collector.database.session_dsn", settings.database.session_dsn.get_secret_value()
    for index, one in enumerate(settings.mongo):
        yield f"collector.mongo.{index}.uri", one.uri.get_secret_value()
    if settings.live is not None:
        yield LIVE_KEY, settings.live.token.get_secret_value()
