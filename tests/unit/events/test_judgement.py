"""Judging stored replies again: a cut reply is judged whole, a removed one keeps its judgement."""

from __future__ import annotations

import msgspec

from collector.events.judgement import Judgement, StoredReply, judge
from collector.events.model.event import Action, Provider, Reason
from tests.unit.events.entries import ACCEPTED, changed, row

UNJUDGED = Judgement(None, None, None, None, None, None)


def test_a_reply_that_its_column_cuts_is_judged_whole() -> None:
    """A reply that its column cuts is judged whole, because the decisive words may be in the rest."""
    reply = f"550 see https://help.example/{'x' * 1500} for details: user unknown"
    event = row(changed(ACCEPTED, action="REJECTED", response=reply, mx="mx00.gmx.net"))
    assert event.raw is not None
    whole = msgspec.json.decode(event.raw).get("response")
    stored = StoredReply(Action.BOUNCED, event.mx_host, event.category, event.response, (whole, None), False, UNJUDGED)
    assert judge(stored) == Judgement(
        event.reason,
        event.bounce_kind,
        event.provider,
        event.provider_code,
        event.response_pattern,
        event.enhanced_code,
    )
    assert event.reason is Reason.UNKNOWN_USER
    assert judge(stored._replace(whole=(None, None))).reason is not Reason.UNKNOWN_USER


def test_a_reply_that_was_forgotten_keeps_its_judgement() -> None:
    """A removed reply keeps its judgement, and only the provider is found again, from the MX host."""
    before = UNJUDGED._replace(reason=Reason.UNKNOWN_USER, response_pattern="550 no <id>")
    stored = StoredReply(Action.BOUNCED, "mx1.comcast.net", None, None, (None, None), False, before)
    assert judge(stored) == before._replace(provider=Provider.COMCAST)
