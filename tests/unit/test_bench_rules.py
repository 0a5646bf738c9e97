"""The series that the bench of the rules gives to Prometheus are such as collectors show."""

from __future__ import annotations

from collections import Counter

from bench.head import varint
from bench.large import ADDRESSES, LISTS, PROVIDERS, ZONES, Installation
from collector.events.model.event import Provider
from collector.events.model.outcome import OutcomeClass
from collector.events.replies.provider_codes import SIGNALS


def test_the_installation_has_so_many_series() -> None:
    """The sizes are those of docs/benchmarks.md: every class of each of 240 zones and providers, every code."""
    one, five = (Counter(series.name for series in Installation(clusters).series(0)) for clusters in (1, 5))
    for count in (one, five):
        assert count["duckwatch_mail_outcomes_total"] == ZONES * PROVIDERS * len(OutcomeClass)
        assert count["duckwatch_mail_provider_signals_total"] == ADDRESSES * len(SIGNALS)
        assert count["duckwatch_dnsbl_listing_info"] == LISTS * ADDRESSES
    assert one["mail_cluster_provider:duckwatch_mail_offers:rate30m"] == len(Provider)
    assert five["mail_cluster:duckwatch_mail_deliveries:rate5m"] == 5


def test_numbers_are_varints() -> None:
    """The examples of protobuf.dev/programming-guides/encoding."""
    assert varint(1) == b"\x01"
    assert varint(150) == b"\x96\x01"
