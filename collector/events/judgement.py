"""Applies today's rules to a stored reply. `reclassify` compares the judgement with the row's columns. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from collector.events.replies.provider import provider_of
from collector.events.sources.zonemta import FAILURES, reply_of

if TYPE_CHECKING:
    from collector.events.model.event import Action, BounceKind, Provider, Reason


class Judgement(NamedTuple):
    """The columns of `mail_events` that the rules on replies set."""

    reason: Reason | None
    bounce_kind: BounceKind | None
    provider: Provider | None
    provider_code: str | None
    response_pattern: str | None
    enhanced_code: str | None


class StoredReply(NamedTuple):
    """The reply in a row of `mail_events`. `response` is cut at 1,000 bytes. `whole` are the texts in `raw` that may
    be the complete reply.
    """

    action: Action
    mx_host: str | None
    category: str | None
    response: str | None
    whole: tuple[str | None, ...]
    is_http: bool
    judged: Judgement


def judge(stored: StoredReply) -> Judgement:
    """Return today's judgement. If `subject forget` has erased the reply, only the provider is judged again."""
    provider = stored.judged.provider if stored.mx_host is None else provider_of(stored.mx_host)
    response = stored.response or ""
    if not response and (stored.judged.response_pattern is not None or stored.action not in FAILURES):
        return stored.judged._replace(provider=provider)
    whole = next((text for text in stored.whole if text and text.startswith(response)), response)
    _, enhanced_code, _, reason, kind, provider_code, _, pattern = reply_of(
        stored.action, whole, provider, stored.category, stored.is_http
    )
    return Judgement(reason, kind, provider, provider_code, pattern, enhanced_code)
