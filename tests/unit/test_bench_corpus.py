"""The benchmark's traffic: all replies differ, as on a real server."""

from __future__ import annotations

from bench import corpus
from collector.events.border.decoding import Border, decode_body
from collector.events.model.event import Source

RECORDED = 2424


def test_replies_all_differ() -> None:
    """All replies differ in ids, times and mailboxes, so that no cache holds a whole reply."""
    made = corpus.events(2 * RECORDED, 1_796_000_000_000)
    replies = [reply for event in made if (reply := event["entry"].get("response"))]
    assert len(replies) > RECORDED // 2
    assert len(set(replies)) >= 0.99 * len(replies)


def test_bare_entries_are_the_events_of_the_plugin() -> None:
    """Bare entries are the plugin's entries with the same times, without the plugin's wrapper."""
    now = 1_796_000_000_000
    made = corpus.events(300, now)
    taken = [
        sorted(
            (entry.time, entry.fields["action"], entry.fields.get("id"), entry.fields.get("response"))
            for body in bodies
            for entry in decode_body(body, received_at=now, source=Source.PLUGIN, border=Border()).entries
        )
        for bodies in (corpus.bodies(made, 100), corpus.bare_bodies(made, 100))
    ]
    assert len(taken[0]) == len(made)
    assert taken[0] == taken[1]
