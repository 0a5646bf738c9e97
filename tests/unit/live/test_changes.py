"""The queue of commits is bounded and never waits; messages between collectors carry any change."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collector.events.model.batch import Batch, WriteResult
from collector.events.model.event import Action, Direction, MailEvent, Source
from collector.events.model.precedence import Corrections
from collector.events.model.recent import COUNTED, NewEvent, RecentCounts
from collector.live.changes import LOST, MESSAGE_BYTES, Addition, CommitQueue, change_of, messages
from collector.live.windows import SECONDS

NOW = 1_795_504_000


def written(count: int, transaction: int | None = 5, second: int = NOW) -> WriteResult:
    """Return a commit of this many events, each of its own domain."""
    events = [
        MailEvent(
            second * 1000, "eu1", None, f"e{n}", Action.DELIVERED, Source.PLUGIN, Direction.OUTBOUND,
            sender_domain=f"d{n}.example",
        )
        for n in range(count)
    ]  # fmt: skip
    return WriteResult(Batch(events), events, transaction=transaction)


def test_a_full_queue_leaves_commits_out_and_says_so() -> None:
    """Beyond its limit the queue leaves commits out, says so once, and holds no more rows than the limit."""
    inbox = CommitQueue(lambda: NOW, max_rows=100)
    for _ in range(50):
        inbox(written(30))
    changes, has_lost = inbox.take()
    assert sum(change.rows for change in changes) <= 100
    assert changes
    assert has_lost
    assert inbox.take() == ([], False)
    inbox(written(30))
    assert [change.transaction for change in inbox.take()[0]] == [5]


def test_old_events_and_unknown_transactions_take_no_room() -> None:
    """A journal that is caught up adds nothing older than the windows, and a duplicate adds nothing."""
    inbox = CommitQueue(lambda: NOW)
    inbox(written(3, second=NOW - SECONDS))
    inbox(written(3, transaction=None))
    inbox(replace(written(3), new_events=[]))
    [change] = inbox.take()[0]
    assert not change.recent.traffic
    assert not change.recent.domains
    assert len(change.recent.newest) == 3


def test_a_replaced_row_asks_for_the_database() -> None:
    """After a correction the windows are read again: they hold the row that was replaced."""
    inbox = CommitQueue(lambda: NOW)
    corrections = Corrections(Counter({("eu1", "deferred", "bounced"): 1}), frozenset())
    inbox(replace(written(1), corrections=corrections))
    assert inbox.take()[1]


ACTIONS = st.sampled_from(COUNTED)
TEXT = st.one_of(st.text(max_size=20), st.text(min_size=100, max_size=250))
COUNTS = st.integers(1, 2**40)
CHANGES = st.builds(
    Addition,
    st.integers(1, 2**63),
    st.builds(
        RecentCounts,
        st.dictionaries(st.tuples(st.integers(0, 2**33), st.one_of(st.none(), TEXT), ACTIONS), COUNTS).map(Counter),
        st.dictionaries(st.tuples(st.integers(0, 2**33), TEXT, ACTIONS), COUNTS, max_size=99).map(Counter),
        st.lists(st.builds(NewEvent, st.integers(0, 2**45), ACTIONS, *[st.one_of(st.none(), TEXT)] * 5), max_size=20),
    ),
)


@given(CHANGES)
def test_messages_carry_a_change(change: Addition) -> None:
    """The messages of a change add up to it, and each is short enough for a NOTIFY."""
    texts = [*messages(change)]
    assert all(0 < len(text.encode()) <= MESSAGE_BYTES for text in texts)
    total = RecentCounts()
    for text in texts:
        part = change_of(text)
        assert part is not None
        assert part.transaction == change.transaction
        total.add(part.recent)
    assert total.traffic == change.recent.traffic
    assert total.domains == change.recent.domains
    assert Counter(total.newest) == Counter(change.recent.newest)


def test_a_row_that_fits_no_message_is_left_out() -> None:
    """A row longer than a message is left out, and the others arrive."""
    event: Any = NewEvent(1, "other", "\0" * 3000, None, None, None, None)
    change = Addition(7, RecentCounts(Counter({(NOW, None, "queued"): 3}), Counter(), [event]))
    [text] = messages(change)
    assert change_of(text) == Addition(7, RecentCounts(Counter({(NOW, None, "queued"): 3}), Counter(), []))


@given(st.one_of(st.text(), st.just(LOST), st.just('[1,[[1,"z","vanished",1]]]'), st.just('{"x":1}')))
def test_a_foreign_message_is_no_change(text: str) -> None:
    """A message of another program or of a later version is no change, and raises nothing."""
    assert change_of(text) is None
