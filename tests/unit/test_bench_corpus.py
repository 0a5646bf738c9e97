"""The benchmark's traffic: no two replies are the same, as on a real server."""

from __future__ import annotations

from bench import corpus

RECORDED = 2424


def test_replies_all_differ() -> None:
    """Ids, times and mailboxes are each event's own, so that no cache knows a whole reply."""
    made = corpus.events(2 * RECORDED, 1_796_000_000_000)
    replies = [reply for event in made if (reply := event["entry"].get("response"))]
    assert len(replies) > RECORDED // 2
    assert len(set(replies)) >= 0.99 * len(replies)
