"""What a request's head asks for."""

from __future__ import annotations

import pytest

from duckwatch.base.heads import prefers, weight_of

OPENMETRICS = "application/openmetrics-text"


@pytest.mark.parametrize(
    ("header", "weight"),
    [
        ("gzip", 1),
        ("GZIP", 1),
        ("deflate, gzip;q=0.5", 0.5),
        ("gzip;q=0", 0),
        ("identity;q=1, gzip; q=0.000, *;q=0.5", 0),
        ("x-gzip", 1),
        ("*;q=0.1", 0.1),
        ("gzip;q=nan", 1),
        ("gzip;level=9;q=0.25", 0.25),
        ("br, gzipx", 0),
        ("", 0),
        (";,;q=1,=", 0),
    ],
)
def test_the_weight_of_a_coding(header: str, weight: float) -> None:
    """The weights of RFC 9110, 12.4.2; a name counts before `*`, and what cannot be read is as if it were absent."""
    assert weight_of(header, "gzip", "x-gzip", "*") == weight


@pytest.mark.parametrize(
    ("accept", "is_preferred"),
    [
        (f"{OPENMETRICS};version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1", True),
        (f"{OPENMETRICS},text/plain", True),
        (f"text/plain;q=0.9,{OPENMETRICS};q=0.1", False),
        (f"{OPENMETRICS};q=0", False),
        ("*/*", False),
    ],
)
def test_openmetrics_is_preferred(accept: str, is_preferred: bool) -> None:
    """OpenMetrics is what a scraper gets that takes it as gladly as the text format."""
    assert prefers(accept, OPENMETRICS) is is_preferred
