"""The places of connections: who makes room for whom, by a clock that the tests set."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from collector.web.places import GRACE_SECONDS, ConnectionPlaces

if TYPE_CHECKING:
    from collector.web.places import OpenConnection


class Line:
    """A connection that knows whether it was closed."""

    def __init__(self) -> None:
        self.kind: dict[OpenConnection, float] | None = None
        self.is_open = True

    def abort(self) -> None:
        self.is_open = False


class Places(ConnectionPlaces):
    """Places whose clock stands still until it is set."""

    def __init__(self, most: int) -> None:
        self.closed: list[str] = []
        super().__init__(most, self.closed.append)
        self.now = 0.0
        self._clock = lambda: self.now

    def taken(self, *, is_sender: bool) -> Line:
        """Take a place for a new connection and answer its first request."""
        line = Line()
        assert self.take(line)
        self.works(line)
        self.idles(line, is_sender=is_sender)
        return line


async def test_strangers_who_were_just_answered_do_not_cost_a_silent_sender_its_place() -> None:
    """A newcomer is refused while every stranger is within its grace, and then takes a stranger's place."""
    places = Places(4)
    sender = places.taken(is_sender=True)
    places.now += 10 * GRACE_SECONDS
    strangers = [places.taken(is_sender=False) for _ in range(3)]
    assert not places.take(Line())
    places.now += GRACE_SECONDS
    assert places.take(Line())
    assert (sender.is_open, [one.is_open for one in strangers]) == (True, [False, True, True])
    assert places.closed == ["refused", "displaced"]


async def test_silent_senders_make_room_when_they_have_most_of_the_places() -> None:
    """Another sender gets in where senders keep nearly all places: the longest silent one leaves."""
    places = Places(4)
    senders = [places.taken(is_sender=True) for _ in range(4)]
    places.now += GRACE_SECONDS
    assert places.take(Line())
    assert [one.is_open for one in senders] == [False, True, True, True]


@given(most=st.integers(1, 9), steps=st.lists(st.tuples(st.booleans(), st.floats(0, 3)), max_size=60))
def test_no_more_than_the_most_are_open_and_half_may_be_senders(most: int, steps: list[tuple[bool, float]]) -> None:
    """However clients come, the limit holds, and who displaces a sender leaves half of the places to senders."""

    async def come() -> None:
        places = Places(most)
        senders: list[Line] = []
        for is_sender, seconds in steps:
            places.now += seconds
            line, before = Line(), sum(one.is_open for one in senders)
            if places.take(line):
                assert sum(one.is_open for one in senders) >= min(before, most // 2)
                places.works(line)
                places.idles(line, is_sender=is_sender)
                senders += [line] if is_sender else []
            assert len(places) <= most

    asyncio.run(come())
