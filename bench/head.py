"""Gives Prometheus the samples of the last hour by its remote write receiver, so that they lie in its head.

A running Prometheus has its last hours in the head, and the rules' short windows read nothing else. Out of a block the
same samples cost about twice as much.
Format: https://prometheus.io/docs/specs/prw/remote_write_spec/ (1.0), protocol buffers in Snappy's block format.
"""

from __future__ import annotations

import struct
import urllib.request
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.large import Series

HEAD: Final = 3600
"""Seconds: the head takes no sample that is older than the newest by more than an hour."""

SERIES_A_REQUEST: Final = 500
LENGTH_DELIMITED: Final = 2
SAMPLE: Final = struct.Struct("<Bd")
DOUBLE_OF_SAMPLE: Final = 1 << 3 | 1
TIME_OF_SAMPLE: Final = 2 << 3


def push(url: str, series: Sequence[Series], end: int) -> None:
    """Send the samples of the last hour before `end`, a Unix time. Raise HTTPError if Prometheus takes them not."""
    times = {back: varint((end - back) * 1000) for back in range(HEAD + 1)}
    for first in range(0, len(series), SERIES_A_REQUEST):
        body = b"".join(_field(1, _timeseries(one, times)) for one in series[first : first + SERIES_A_REQUEST])
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{url}/api/v1/write",
            data=_snappy(body),
            headers={
                "Content-Type": "application/x-protobuf",
                "Content-Encoding": "snappy",
                "X-Prometheus-Remote-Write-Version": "0.1.0",
            },
        )
        with urllib.request.urlopen(request, timeout=60):  # noqa: S310 - loopback
            pass


def varint(number: int) -> bytes:
    """Return a protocol buffer's variable-length integer."""
    done = bytearray()
    while number > 0x7F:
        done.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*done, number))


def _timeseries(series: Series, times: dict[int, bytes]) -> bytes:
    labels = sorted({"__name__": series.name, **series.labels}.items())
    head = b"".join(_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in labels)
    return head + b"".join(
        _field(2, SAMPLE.pack(DOUBLE_OF_SAMPLE, series.at(back)) + bytes((TIME_OF_SAMPLE,)) + times[back])
        for back in series.backs
        if back <= HEAD
    )


def _field(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | LENGTH_DELIMITED,)) + varint(len(content)) + content


def _snappy(content: bytes) -> bytes:
    """Return the content as Snappy's block format, as one literal: nothing is compressed."""
    return varint(len(content)) + b"\xfc" + struct.pack("<I", len(content) - 1) + content
