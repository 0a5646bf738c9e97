"""The buckets that a batch marks hold every event of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.events.model.batch import Batch
from collector.events.model.event import Action, Direction, MailEvent, Source
from collector.events.model.tally import tally
from collector.store.writing.touched_buckets import touched

STAMPS = st.integers(-(10**9), 2**41)
NEAR = st.builds(lambda bucket, offset: bucket * 15_000 + offset, st.integers(-5, 5), st.integers(0, 14_999))


@given(st.lists(STAMPS | NEAR, min_size=1, max_size=40), st.booleans())
def test_every_event_is_in_a_bucket_that_is_marked(stamps: list[int], has_tally: bool) -> None:
    """Every event is in a marked bucket: times are floored as by date_bin, also before 1970."""
    events = [
        MailEvent(at, "eu1", None, f"q{n}:queued", Action.QUEUED, Source.PLUGIN, Direction.OUTBOUND)
        for n, at in enumerate(stamps)
    ]
    marked = touched(Batch(events, tally=tally(events) if has_tally else None))
    assert len(set(marked)) == len(marked)
    assert all(second % 15 == 0 for second in marked)
    assert {at - at % 15_000 for at in stamps} <= {1000 * second for second in marked}
