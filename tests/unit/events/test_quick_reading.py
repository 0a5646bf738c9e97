"""The fast readers of a reply give the same as the whole search, for words, known phrases and known heads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.events.addresses import usual_parts
from collector.events.replies import pattern, status_codes
from collector.events.sources.zonemta import address_of

REPLIES: Final = [
    json.loads(line)["reply"]
    for line in (Path(__file__).parents[2] / "fixtures" / "replies" / "labelled.jsonl").read_text().splitlines()
]
SPECIAL: Final = [
    "[TSS04]", "(S3150)", "(AS4321)", "[HME1]", "IPTS04", "OFR_416", "ofr004_102", "RESOLVER.ADR.RecipNotFound;",
    "<url?c=bl>",
    "Exception:StoreDrvFailedException", "MCSpamSignature.x", "(#5.1.1)", "192.0.2.17", "[2001:db8::1]",
    "2001:db8:0:0:1:2:3:4",
    "<a@b.example>:", "a@[192.0.2.1]", "FTP://x.example/y", "https://postmaster.gmx.net/en?c=rdns", "id=99x",
    "ID=abc,", "12:34:56",
    "2026", "28", "Nov", "Sat,", "queued", "as", "550-x", "5.1.1", "550", "QUJDRA==", "k\u212a123",
    "почта@пример.example",
]  # fmt: skip
KNOWN: Final = sorted({word for text in REPLIES for word in text.split()} | set(SPECIAL))
SIGNS: Final = "abcABC0123456789@.:-_=+/<>[]()?\"'#é\u212a%"
WORDS: Final = st.one_of(st.sampled_from(KNOWN), st.text(alphabet=SIGNS, min_size=1, max_size=30))
HEADS: Final = st.sampled_from(
    ["", "550 ", "250 2.0.0 ", "550-5.1.1 ", "421-", "554 #5.7.1 ", "421 4.7.650 ", "550 - "]
)


@settings(max_examples=2000)
@given(st.lists(WORDS, min_size=1, max_size=3).map("".join))
@example("x5.1.1y")
def test_a_word_is_searched_for_all_parts_that_it_may_have(word: str) -> None:
    """A search that the fast reader leaves out would have found nothing."""
    if not (word.isalnum() and word.isascii()):
        assert pattern._replaced(word) == pattern._PARTS_AND_KEPT.sub(pattern._name, word)
    assert pattern._replaced_or_known(word) == (word if len(word) < 8 and word.isalpha() else pattern._replaced(word))


@settings(max_examples=2000)
@given(HEADS, st.lists(WORDS, max_size=8))
@example("450 4.7.1 ", ["Sat,", "28", "Nov", "2026"])
@example("550 - ", ["4.2.0", "4.2.0"])
@example("550 5.1.1 ", ["no", "550-x"])
def test_a_known_phrase_changes_nothing(head: str, words: list[str]) -> None:
    """The pattern is the same with and without the known phrases."""
    text = head + " ".join(words)
    quick = pattern.response_pattern(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pattern, "_CACHED_PHRASE_CHARACTERS", -1)
        assert pattern.response_pattern(text) == quick


@given(HEADS, st.text(alphabet="245.019 -#(ax", max_size=12), st.sampled_from(KNOWN))
def test_a_known_head_changes_nothing(head: str, more: str, word: str) -> None:
    """The codes from a known head are those of the whole reply."""
    text = f"{head}{more}{word}"
    quick = status_codes.codes(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(status_codes, "_codes_of_head", lambda _: None)
        assert status_codes.codes(text) == quick


@given(st.text(alphabet='aZé.@-+<>[]()",; \t\u3002', max_size=20))
def test_a_usual_address_is_read_as_any(written: str) -> None:
    """The fast reader of an address finds the same address and domain as the whole one."""
    quick = address_of(written)
    if usual_parts(written):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("collector.events.addresses.usual_parts", lambda _: None)
            assert address_of(written) == quick
