"""The logins in `auth_events` that come from a document of WildDuck's `authlog`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from collector.events.model.event import Source
from collector.events.model.side_tables import AuthEvent
from collector.events.sources.authlog import KnownDocument, known_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DOCUMENT: Final = re.compile(r"[0-9A-Za-z_-]{1,100}", re.ASCII)


def askable(documents: Iterable[str]) -> list[str]:
    """Return those document ids that can be part of an event_id. WildDuck's ids always can."""
    return [one for one in documents if _DOCUMENT.fullmatch(one)]


def known(rows: Iterable[Sequence[Any]]) -> dict[str, KnownDocument]:
    """Return the rows of `known_logins.sql` by document."""
    found = {}
    for cluster, event_id, source, protocol, result, user_id, username, source_ip, raw in rows:
        login = AuthEvent(
            cluster, 0, 0, event_id, Source(source), protocol, result, user_id, username, source_ip, raw=raw
        )
        if (one := known_of(login)) is not None:
            found[one[0]] = one[1]
    return found
