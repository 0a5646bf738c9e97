"""The ingest routes: the reader of each route's format, and the limits of its requests."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Final, Protocol

from collector.config import SubjectPolicy
from collector.events.border.decoding import Border, decode_body
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
    """Return the border for a request. `cluster` is the one of its credential, or None."""
    privacy = settings.privacy
    secret = None if privacy.secret is None else privacy.secret.get_secret_value().encode()
    return Border(
        bound_cluster=cluster,
        raw_retention_ms=int(settings.retention.raw.total_seconds() * 1000),
        subject_key=secret if privacy.subject is SubjectPolicy.HMAC else None,
        pseudonyms=Pseudonyms(secret) if privacy.pseudonymise and secret is not None else None,
    )


class FormatReader(Protocol):
    """Turns a body in one sender's format into a submission. Pure; raises only `RequestError`."""

    def __call__(self, body: bytes, *, received_at: int, border: Border) -> Submission:
        """`received_at` is epoch ms."""


class RouteDecoder:
    """The decoder of one ingest route. It has a border for each cluster of a credential."""

    def __init__(self, settings: CollectorSettings, read: FormatReader) -> None:
        self._border, self._read = cache(partial(border_of, settings)), read

    def __call__(self, body: bytes, *, received_at: int, cluster: str | None) -> Submission:
        """Return the submission of a body. Raise `RequestError`."""
        return self._read(body, received_at=received_at, border=self._border(cluster))


INGEST_PATH: Final = "/api/events/ingest"
ROUTES: Final[Mapping[str, FormatReader]] = {
    INGEST_PATH: partial(decode_body, source=Source.PLUGIN),
    "/api/events/bounce": bounce,
    "/api/events/wildduck": wildduck.read_webhooks,
    "/api/events/arf": arf.read_complaint,
    "/api/events/dnsbl": dnsbl.read_results,
}
"""The ingest routes, with the reader of each."""

_READ_AGAIN: Final[Mapping[Source, FormatReader]] = {
    Source.DNSBL: dnsbl.read_results,
    Source.WILDDUCK: wildduck.read_webhooks,
}
"""The readers for sources whose dead letters are not in the plugin's form."""


def decode_letter(settings: CollectorSettings, body: bytes, letter: DeadLetter, *, received_at: int) -> Submission:
    """Return the submission of a dead letter's event, with a new receipt (epoch ms). An event time that was in the
    future may be valid now.
    """
    read = _READ_AGAIN.get(letter.source) or partial(decode_body, source=letter.source)
    return read(body, received_at=received_at, border=border_of(settings, letter.cluster))
