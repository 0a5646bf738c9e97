"""The DNSBL exporter's results at the border: valid fields and hostile ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import TooLargeError, UnreadableError
from collector.events.border.decoding import Border
from collector.events.model.event import RejectReason, Source, Submission
from collector.events.model.side_tables import DnsblResult
from collector.events.privacy.pseudonyms import Pseudonyms
from collector.events.sources.dnsbl import read_results
from collector.pipeline.batch import assemble
from tests.unit.events.entries import NOW

DAY = 86_400_000
RESULT: dict[str, Any] = {
    "time": NOW,
    "target": "192.0.2.5",
    "name": "mail.example.com",
    "kind": "address",
    "list": "zen.spamhaus.org",
    "verdict": "listed",
    "detail": "listed",
    "codes": ["127.0.0.3"],
    "meanings": ["CSS: low-reputation sender"],
    "severity": "critical",
    "reason": "https://www.spamhaus.org/query/ip/192.0.2.5",
    "previous": "clean",
    "standing": "listed",
    "standing_since": NOW - 1,
}


def posted(*results: Any, **border: Any) -> Submission:
    """Return the border's result for DNSBL results."""
    body = {"exporter": {"version": "0.1.0", "host": "mx1.example"}, "results": list(results)}
    return read_results(json.dumps(body).encode(), received_at=NOW, border=Border(**border))


def stored(*results: Any, **border: Any) -> list[DnsblResult]:
    """Return their rows, and assert that none is rejected."""
    request = posted(*results, **border)
    assert request.rejections == []
    batch, _ = assemble([request], {})
    assert (batch.events, batch.letters) == ([], [])
    return [row for row in batch.records if isinstance(row, DnsblResult)]


def changed(**fields: Any) -> dict[str, Any]:
    return RESULT | fields


def test_a_result_is_a_row() -> None:
    """Every field of docs/dnsbl.md has a column; target, list, verdict and time are the identity."""
    (row,) = stored(RESULT, bound_cluster="eu1")
    assert row == DnsblResult(
        cluster="eu1",
        received_at=NOW,
        event_id="192.0.2.5:zen.spamhaus.org:listed",
        host="mx1.example",
        **RESULT | {"codes": ["127.0.0.3"], "meanings": ["CSS: low-reputation sender"]},
    )
    assert row.key == ("eu1", row.event_id, NOW)
    assert row.origin is Source.DNSBL


def test_a_result_sent_twice_is_one_row() -> None:
    """A result sent twice, also in one request, is one row; another time is another row."""
    assert len(stored(RESULT, RESULT, changed(time=NOW + 1))) == 2


@pytest.mark.parametrize(
    ("target", "kept", "kind"),
    [
        ("2001:DB8:0::5", "2001:db8::5", "address"),
        ("::ffff:192.0.2.5", "192.0.2.5", "address"),
        ("shop.example", "shop.example", "domain"),
        ("xn--bro-hoa.example", "xn--bro-hoa.example", "domain"),
    ],
)
def test_a_target_has_one_spelling(target: str, kept: str, kind: str) -> None:
    """An address is stored in its canonical form, and its kind is found from the target."""
    (row,) = stored(changed(target=target, kind="whatever"))
    assert (row.target, row.kind) == (kept, kind)


HOSTILE: dict[str, Any] = {
    "no target": ({"target": ...}, "`target` is"),
    "a target of no text": ({"target": 5}, "`target` is"),
    "NUL in the target": ({"target": "192.0.2.5\0"}, "`target` is"),
    "an address that is none": ({"target": "192.0.2.999"}, "`target` is"),
    "a range": ({"target": "192.0.2.0/24"}, "`target` is"),
    "an address with a zone": ({"target": "fe80::1%eth0"}, "`target` is"),
    "a mailbox": ({"target": "jane@x.example"}, "`target` is"),
    "markup": ({"target": "<b>x</b>.example"}, "`target` is"),
    "a target of a megabyte": ({"target": "a" * 1_000_000}, "`target` is"),
    "a list that is none": ({"list": "zen spamhaus"}, "`list` is"),
    "no list": ({"list": None}, "`list` is"),
    "no verdict": ({"verdict": ...}, "`verdict` is none of clean, error, listed, refused"),
    "an unknown verdict": ({"verdict": "doubtful"}, "`verdict` is none of clean, error, listed, refused"),
    "a verdict of no text": ({"verdict": ["listed"]}, "`verdict` is none of clean, error, listed, refused"),
}


@pytest.mark.parametrize(("fields", "error"), HOSTILE.values(), ids=HOSTILE)
def test_what_names_no_pair_is_rejected_and_says_why(fields: dict[str, Any], error: str) -> None:
    """A result without target or list is rejected without a quote and kept up to 64 KiB; good ones are stored."""
    bad = {key: value for key, value in changed(**fields).items() if value is not ...}
    request = posted(bad, RESULT)
    (rejection,) = request.rejections
    assert rejection.reason is RejectReason.NOT_AN_EVENT
    assert rejection.error.startswith(error)
    assert len(rejection.error) < 90
    assert len(rejection.raw) <= 65_536
    assert request.count == 1


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        (None, RejectReason.NO_TIME),
        ("1790000000000", RejectReason.NO_TIME),
        (NOW + 3_600_001, RejectReason.TIME_AHEAD),
        (NOW - 29 * DAY, RejectReason.TIME_TOO_OLD),
    ],
)
def test_times_are_held_to_the_same_bounds_as_events(time: Any, reason: RejectReason) -> None:
    """Times have the same bounds as those of events, so that no result is newer than all later ones."""
    (rejection,) = posted(changed(time=time)).rejections
    assert rejection.reason is reason


def test_what_does_not_identify_is_cut_or_dropped() -> None:
    """Bad fields outside the identity (long, control characters, wrong types) are cut or dropped."""
    (row,) = stored(
        changed(
            reason="a\0b\n\u202ec" + "x" * 1_000_000,
            codes=["127.0.0.3", "<b>", 5, *["127.0.0.4"] * 100],
            meanings=["m" * 1_000, None, ""],
            name="<x>",
            detail="Rm -rf",
            severity="huge",
            previous=5,
            standing="maybe",
            standing_since=2**62,
        )
    )
    assert row.reason == "a b  c" + "x" * 494
    assert row.codes == ["127.0.0.3", *["127.0.0.4"] * 13]
    assert row.meanings == ["m" * 200]
    assert {row.name, row.detail, row.severity, row.previous, row.standing, row.standing_since} == {None}


@pytest.mark.parametrize(
    ("posted_word", "word"),
    [("critical", "critical"), ("warning", "warning"), ("info", "info"), ("page", "critical"), ("ticket", "warning")],
)
def test_severities_of_an_earlier_exporter_become_todays(posted_word: str, word: str) -> None:
    """An earlier exporter's severities become the present ones."""
    (row,) = stored(changed(severity=posted_word))
    assert row.severity == word


@pytest.mark.parametrize("body", [b"", b"5", b"[]", b'{"results": 5}', b"\xff\xfe", b"[" * 100_000])
def test_a_body_without_results_is_unreadable(body: bytes) -> None:
    """A body without results is one error for the request."""
    with pytest.raises(UnreadableError):
        read_results(body, received_at=NOW, border=Border())


def test_nothing_to_tell_is_a_request_of_nothing() -> None:
    """An empty list of results is accepted, and reaches neither journal nor table."""
    assert posted().is_empty


def test_too_many_results_are_too_large() -> None:
    """The border's limit on items holds for results too."""
    with pytest.raises(TooLargeError):
        posted(*[RESULT] * 3, max_items=2)


@pytest.mark.parametrize("pseudonyms", [None, Pseudonyms(b"a secret of the tests")])
def test_a_dead_letter_can_be_read_again(pseudonyms: Pseudonyms | None) -> None:
    """A dead letter of a future result can be stored later, with every field."""
    (rejection,) = posted(changed(time=NOW + 2 * 3_600_000), pseudonyms=pseudonyms).rejections
    again = read_results(
        b"[" + rejection.raw.encode() + b"]", received_at=NOW + 3_600_000, border=Border(pseudonyms=pseudonyms)
    )
    (row,) = assemble([again], {})[0].records
    (whole,) = stored(RESULT)
    assert isinstance(row, DnsblResult)
    assert (row.codes, row.reason, row.standing_since) == (whole.codes, whole.reason, whole.standing_since)


def test_pseudonyms_hide_no_target() -> None:
    """Targets and lists get no pseudonym; an address in a list's text does."""
    pseudonyms = Pseudonyms(b"a secret of the tests")
    plain, hidden = stored(RESULT)[0], stored(RESULT, pseudonyms=pseudonyms)[0]
    assert hidden == plain
    (row,) = stored(changed(reason="ask jane@x.example", meanings=["jane@x.example"]), pseudonyms=pseudonyms)
    assert "jane" not in f"{row.reason} {row.meanings}"
    (rejection,) = posted(changed(verdict="?", ticket="jane"), pseudonyms=pseudonyms).rejections
    assert "192.0.2.5" in rejection.raw
    assert "jane" not in rejection.raw


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(RESULT)), JSON | st.sampled_from(sorted(map(str, RESULT.values())))))
def test_no_value_breaks_it(fields: dict[str, Any]) -> None:
    """Any value in any field gives a storable row or a rejection."""
    request = posted(changed(**fields), pseudonyms=Pseudonyms(b"a secret of the tests"))
    batch, _ = assemble([request], {})
    assert len(batch.records) + len(batch.letters) == 1
    assert all(letter.reason is not RejectReason.UNREAD for letter in batch.letters)
    for row in batch.records:
        text = repr(row)
        assert "\\x00" not in text
        assert len(text) < 8_000
