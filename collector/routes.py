"""The ways in over HTTP: who reads what is posted to each, and what it is held to."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Final, Protocol

from collector.config import SubjectPolicy
from collector.events.border.decoding import Border, decode
from collector.events.model.event import Source
from collector.events.privacy.pseudonyms import Pseudonyms
from collector.events.sources import arf, dnsbl, wildduck
from collector.events.sources.bounce import bounce

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.config.model import CollectorSettings
    from collector.events.model.batch import DeadLetter
    from collector.events.model.event import Submission


def border_of(settings: CollectorSettings, cluster: str | None) -> Border:
    """Return what a request is held to, `cluster` being that of its credential."""
    privacy = settings.privacy
    secret = None if privacy.secret is None else privacy.secret.get_secret_value().encode()
    return Border(
        bound_cluster=cluster,
        raw_retention_ms=int(settings.retention.raw.total_seconds() * 1000),
        subject_key=secret if privacy.subject is SubjectPolicy.HMAC else None,
        pseudonyms=Pseudonyms(secret) if privacy.pseudonymise and secret is not None else None,
    )


class FormatReader(Protocol):
    """Reads a sender's format; raises `RequestError`. Pure."""

    def __call__(self, body: bytes, *, received_at: int, border: Border) -> Submission:
        """`received_at` is epoch ms."""


class RouteDecoder:
    """The border of a route that takes events in, one a cluster that a credential decides."""

    def __init__(self, settings: CollectorSettings, read: FormatReader) -> None:
        self._border, self._read = cache(partial(border_of, settings)), read

    def __call__(self, body: bytes, *, received_at: int, cluster: str | None) -> Submission:
        """Read a body; raise `RequestError`."""
        return self._read(body, received_at=received_at, border=self._border(cluster))


INGEST_PATH: Final = "/api/events/ingest"
ROUTES: Final[Mapping[str, FormatReader]] = {
    INGEST_PATH: partial(decode, source=Source.PLUGIN),
    "/api/events/bounce": bounce,
    "/api/events/wildduck": wildduck.read,
    "/api/events/arf": arf.read,
    "/api/events/dnsbl": dnsbl.read,
}
"""The ways in over HTTP, and who reads each."""

_READ_AGAIN: Final[Mapping[Source, FormatReader]] = {Source.DNSBL: dnsbl.read, Source.WILDDUCK: wildduck.read}
"""Whose letters are not in the plugin's form."""


def decode_letter(settings: CollectorSettings, body: bytes, letter: DeadLetter, *, received_at: int) -> Submission:
    """Read a letter's event as its request was read, but by another clock (epoch ms):
    what was ahead of it may be in time now.
    """
    read = _READ_AGAIN.get(letter.source) or partial(decode, source=letter.source)
    return read(body, received_at=received_at, border=border_of(settings, letter.cluster))
