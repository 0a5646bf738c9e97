"""The series that the bench of the rules gives to Prometheus are such as collectors show."""

from __future__ import annotations

from bench.head import varint
from bench.large import FAILURES
from collector.events.model.event import Reason
from collector.events.replies.reason import bounce_kind


def test_a_bounce_has_a_kind_that_its_reason_may_have() -> None:
    """Each pair of reason and kind is one that the collector gives a reply."""
    possible = {(reason, bounce_kind(code, reason)) for reason in Reason for code in (None, 450, 550)}
    assert set(FAILURES) <= possible


def test_numbers_are_varints() -> None:
    """The examples of protobuf.dev/programming-guides/encoding."""
    assert varint(1) == b"\x01"
    assert varint(150) == b"\x96\x01"
