"""The sums that a commit adds to the metrics of mail."""

from __future__ import annotations

from collections import Counter

from collector.events.model.tally import Tally


def test_each_sum_of_two_tallies_is_in_the_sum_of_both() -> None:
    """Each field of a tally is added, also to a key that the other tally has."""
    both = _filled(1)
    both.add(_filled(2))
    for name in Tally.__struct_fields__:
        assert getattr(both, name)["a",] in (3, [1, 2]), name


def _filled(number: int) -> Tally:
    sums = Tally()
    for name in Tally.__struct_fields__:
        of = getattr(sums, name)
        of["a",] = number if isinstance(of, Counter) else [number]
    return sums
