"""Lines of Grafana Live: whatever a sender puts into a field, Grafana takes the body, and its types stay the same."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.live.lines import NAME_CHARACTERS, TEXT_CHARACTERS, Row, body, name_of, text_of
from tests.hostile.values import PIECES, TEXTS
from tests.servers.grafana_live import RefusedError, frames, parse

HOSTILE = st.one_of(
    st.text(max_size=300),
    st.sampled_from(TEXTS),
    st.lists(st.sampled_from([*PIECES, "\r", "\f", "\v", '"', "\\", "\n", ",", "=", "NaN"]), max_size=60).map("".join),
)


@given(st.lists(st.tuples(HOSTILE, HOSTILE), min_size=1, max_size=5))
def test_any_text_is_one_cell_of_text(texts: list[tuple[str, str]]) -> None:
    """Any text arrives as the one string that `text_of` makes of it, and its column is text."""
    rows: list[Row] = [(1_795_504_174_000 + n, [7, text_of(one), text_of(two)]) for n, (one, two) in enumerate(texts)]
    sent = body("ticker", ("count", "one", "two"), rows)
    frame = frames(parse(sent.encode()))["ticker"]
    assert frame.schema == (("count", "number"), ("one", "string"), ("two", "string"))
    assert frame.rows == [{"count": 7, "one": text_of(one), "two": text_of(two)} for one, two in texts]
    assert frame.times == [time for time, _ in rows]


@given(HOSTILE)
def test_a_text_shows_no_address_and_turns_no_cell(text: str) -> None:
    """A shown text has no `@`, no control character and no mark that turns its direction, and is short."""
    shown = text_of(text)
    assert "@" not in shown
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert len(shown) <= TEXT_CHARACTERS
    assert shown != "NaN"


def test_an_address_across_the_cut_is_hidden() -> None:
    """Of an address that is longer than the cell, the local part is not shown either."""
    assert text_of("x" * (TEXT_CHARACTERS - 6) + " jane.doe@shop.example").endswith("x …")


@given(st.one_of(HOSTILE, st.text(alphabet="abcXYZ019_.-", min_size=1, max_size=NAME_CHARACTERS)))
def test_a_name_is_a_channel_that_a_browser_can_subscribe_to(name: str) -> None:
    """A name holds only what a channel may hold, and names of such characters stay as they are."""
    channel = name_of(name)
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", channel)
    assert channel == name or re.fullmatch("x[0-9a-f]{16}", channel)


def test_a_hash_is_not_taken_for_a_name() -> None:
    """A zone that is called like the hash of another has a channel of its own."""
    hashed = name_of("a b")
    assert name_of(hashed) != hashed


@pytest.mark.parametrize(
    "line",
    [
        'm a="x\ry" 1', 'm a="x\fy" 1', 'm a="x\\n" 1', "m a=NaN 1", "m a=1e400 1", "m a=9223372036854775808i 1",
        "m a=1 1.5", "m a=1 12345678901234567890", "m,t= a=1 1", "m,t=x\\ a=1", "m", "m a", 'm a="x 1', "m a=01i 1",
    ],
)  # fmt: skip
def test_the_stand_in_refuses_what_grafana_refuses(line: str) -> None:
    """The stand-in answers 500 to bodies to which Grafana 10.1.2 answers 500, also behind a good line."""
    with pytest.raises(RefusedError):
        parse(f"good a=1 1\n{line}\n".encode())


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\n\n",
        "\r",
        "m a=1 \r",
        "# x\nm a=1\n",
        "m a=1\r\nm a=2\r\n",
        "m a=7u 1",
        'm a="\t\n\0\x1b" 1',
        "m a=t,b=.5,c=1e3 -1",
    ],
)
def test_the_stand_in_takes_what_grafana_takes(line: str) -> None:
    """The stand-in answers 200 to bodies to which Grafana 10.1.2 answers 200."""
    parse(line.encode())
