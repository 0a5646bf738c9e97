"""Rows read by column equal rows read one by one, in text, sums and number, for recorded and similar entries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from collector.assembly import assembled
from collector.events.columnar.zonemta_columns import columns_of
from collector.events.model.batch import JournalEntry, Position
from collector.events.model.event import Action, Entry, MailEvent, Source, Submission
from collector.events.model.recent import recent
from collector.events.model.tally import tally
from collector.journal.codec import encode_submission as journalled
from collector.pipeline.batch import assemble
from collector.store.writing.copy_text import encode_copy
from tests.oracle.wire import with_attempts
from tests.unit.events.entries import grouped

FIXTURE = Path(__file__).parents[1] / "fixtures" / "zonemta-log-entries.jsonl"
RECORDING: list[dict[str, Any]] = [json.loads(line) for line in FIXTURE.read_text("utf-8").splitlines()]
for record in RECORDING:
    record["entry"].pop("subject", None)  # the border removes it
PUBLIC_IPS = {"127.0.0.2": "192.0.2.2"}
SENT = with_attempts(RECORDING)
"""As the plugin sends it. An earlier plugin sends the recording as it is."""
ONE_OF_EACH = list({(r["entry"]["action"], *r["entry"]): r["entry"] for r in RECORDING + SENT}.values())

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    st.sampled_from(
        ["", "<>", "a@b.example,c@d.example", '"a,b"@c.example', "<A@B.Example.>", "MX.Example.", "::ffff:192.0.2.9"]
    ),
    st.sampled_from(
        ["0127.0.0.1", "127.0.0.2", "x" * 251, "é" * 600, "tab\tnl\ncr\r\\N", "1e3", " 7 ", "550 5.1.1 no", "QUEUED"]
    ),
    st.sampled_from(
        [
            "a@b.example (x, y)",
            '"Doe, J" <a@b.example>',
            "<@a.example,@b.example:c@d.example>",
            " a @ b . example ",
            "a@[192.0.2.1]",
            "root",
            "12",
        ]
    ),
    st.text(alphabet='a@b. ,;:()<>"\\[]', max_size=20),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=2),
)


def request(entries: list[dict[str, Any]], time: int = 1_795_495_300_000) -> Submission:
    """Return a request of these entries, each with its own time."""
    made = [
        Entry(n, time + n, "eu1", "mta1" if n % 2 else None, "sender", entry, None) for n, entry in enumerate(entries)
    ]
    return Submission("r", time + 99, Source.PLUGIN, grouped(made), [])


def check(submissions: list[Submission]) -> int:
    """Assert that both readers give the same rows and sums. Return the number of entries read by column."""
    rows = [JournalEntry(Position(n), one.received_at, journalled(one)) for n, one in enumerate(submissions)]
    batch, count, repeated = assembled(rows, PUBLIC_IPS, is_live=True)
    expected, expected_repeated = assemble(submissions, PUBLIC_IPS)
    assert batch.copy_text is not None
    assert sorted(batch.copy_text.splitlines()) == sorted(encode_copy(expected.events).splitlines())
    assert count == len(expected.events)
    assert repeated == expected_repeated
    assert batch.tally is not None
    assert sums(batch.tally) == sums(tally(expected.events))
    counts, alone = batch.recent, recent(expected.events)
    assert counts is not None
    assert (counts.traffic, counts.domains) == (alone.traffic, alone.domains)
    assert [one.time for one in counts.newest] == [one.time for one in alone.newest]
    return sum(columns.count for columns in columns_of(submissions, PUBLIC_IPS)[0])


def sums(found: Any) -> dict[str, Any]:
    """Return a tally's sums in a fixed order."""
    return {
        name: {key: sorted(value) if isinstance(value, list) else value for key, value in getattr(found, name).items()}
        for name in found.__struct_fields__
    }


@pytest.mark.parametrize("records", [RECORDING, SENT], ids=["without attempts", "with attempts"])
def test_the_recording_is_the_same_either_way(records: list[dict[str, Any]]) -> None:
    """Both readers give the same for all 2,424 recorded entries, nearly all of which are read by column."""
    entries = [record["entry"] for record in records]
    by_column = check([request(entries[at : at + 100]) for at in range(0, len(entries), 100)])
    assert by_column > 2000


def test_attempts_add_a_column_and_change_no_other() -> None:
    """The ends have the attempt that the plugin added; every other column, `event_id` too, is as without."""

    def rows(records: list[dict[str, Any]]) -> list[MailEvent]:
        events = assemble([request([one["entry"] for one in records])], PUBLIC_IPS)[0].events
        return sorted(events, key=lambda event: event.time)  # one millisecond after the other, as they were recorded

    sent = rows(SENT)
    assert [event.attempt for event in sent] == [one["entry"].get("defcount") for one in SENT]
    assert {event.action for event in sent if event.attempt} == {Action.DELIVERED, Action.DEFERRED, Action.BOUNCED}
    assert [replace(event, attempt=None) for event in sent] == [
        replace(event, attempt=None) for event in rows(RECORDING)
    ]


def test_bare_entries_are_the_same_either_way() -> None:
    """Both readers give the same for bare entries, whose time is in `created`, as number or text."""
    entries = [
        record["entry"] | {"created": number if number % 2 else "2026-11-24T12:34:56.789Z"}
        for number, record in enumerate(RECORDING)
    ]
    by_column = check([request(entries[at : at + 100]) for at in range(0, len(entries), 100)])
    assert by_column > 2000


def test_a_batch_with_repeated_events_is_the_same_either_way() -> None:
    """Both readers give the same rows, once, for a batch with a repeated request."""
    once = request([record["entry"] for record in RECORDING[:50]])
    check([once, once])


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(st.sampled_from(ONE_OF_EACH), st.lists(st.tuples(st.integers(0, 40), VALUES), max_size=3)),
        min_size=1,
        max_size=6,
    )
)
def test_recorded_entries_with_any_value_anywhere_are_the_same_either_way(
    chosen: list[tuple[dict[str, Any], list[tuple[int, Any]]]],
) -> None:
    """Both readers give the same for recorded entries with any value: wrong types, long texts, escaped characters."""
    entries = []
    for entry, changes in chosen:
        changed = dict(entry)
        for place, value in changes:
            changed[list(changed)[place % len(changed)]] = value
        entries += [changed, entry]
    check([request(entries)])


@settings(max_examples=100)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from([*ONE_OF_EACH[0], "action", "id", "seq", "to", "from", "x"]), VALUES, max_size=8
        )
    )
)
def test_anything_is_the_same_either_way(entries: list[dict[str, Any]]) -> None:
    """Both readers give the same for entries that ZoneMTA never writes."""
    check([request(entries)])
