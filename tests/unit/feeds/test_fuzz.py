"""Messages over UDP as a network delivers them: compressed, in chunks, missing, repeated, reordered, with noise."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from collector.feeds.gelf.chunks import SECONDS
from collector.feeds.gelf.datagrams import Datagrams
from collector.feeds.gelf.payload import DecodedMessage, MessageResult
from duckwatch.base.config.addresses import Endpoint
from tests.servers.gelf import PACKINGS, chunked

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

SENDER = "192.0.2.1"


class RetentionRule:
    """Replaces the inbox, and keeps its messages."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.counted = Counter[MessageResult]()

    def put(self, read: DecodedMessage | MessageResult) -> None:
        if isinstance(read, DecodedMessage):
            self.names.append(read.message["_queue_id"])
        else:
            self.counted[read] += 1

    def tally(self, result: MessageResult, messages: int = 1) -> None:
        self.counted[result] += messages


def passed(datagrams: Iterable[bytes]) -> RetentionRule:
    """Return the results of all datagrams, after five further seconds."""
    kept = RetentionRule()
    unbound: Any = kept
    way = Datagrams(Endpoint("", 0), admits=bool, inbox=unbound, tally=unbound.tally)
    for datagram in datagrams:
        way._take(SENDER, datagram, 0.0)
    way._chunks.expire(SECONDS)
    assert way._chunks.waiting == (0, 0)
    return kept


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(PACKINGS)), st.integers(20, 300), st.booleans(), st.booleans()),
        max_size=12,
    ),
    st.lists(st.binary(min_size=1, max_size=20).filter(lambda noise: noise[0] not in b"\x1e{ \t\r\n")),
    st.randoms(use_true_random=False),
)
def test_each_whole_message_arrives_once_and_each_other_is_counted(
    plans: list[tuple[str, int, bool, bool]], noise: list[bytes], dice: Random
) -> None:
    """Each whole message arrives once; incomplete ones and noise are counted."""
    datagrams, whole, broken = list(noise), [], 0
    for number, (packing, size, is_missing, is_repeated) in enumerate(plans):
        text = json.dumps({"_queue_id": f"q{number}", "_": "x" * 100}).encode()
        parts = chunked(PACKINGS[packing](text), size, number.to_bytes(8, "big"))
        if is_missing and len(parts) > 1:
            del parts[dice.randrange(len(parts))]
            broken += 1
        else:
            whole.append(f"q{number}")
        # A repeated chunk after the last one would begin a new message, so it must come before.
        dice.shuffle(parts)
        datagrams += [*parts[:-1], *(parts[:-1] if is_repeated else []), parts[-1]]
    kept = passed(datagrams)
    assert kept.names == whole
    assert kept.counted == Counter({MessageResult.INCOMPLETE: broken, MessageResult.UNREADABLE: len(noise)})


@given(st.lists(st.binary(max_size=60)))
def test_no_datagram_breaks_it(datagrams: list[bytes]) -> None:
    """Any datagram is handled."""
    passed([b"\x1e\x0f" + datagram for datagram in datagrams])
