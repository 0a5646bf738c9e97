"""Rows of the tables beside mail_events are written once, with their batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.errors import BadRowError
from collector.events.model.batch import Batch
from collector.events.model.event import Action, Direction, MailEvent, Source
from collector.events.model.precedence import slots_of
from collector.events.model.side_tables import HeldEvent

if TYPE_CHECKING:
    from tests.integration.house import House

pytestmark = pytest.mark.servers


def held(number: int, **values: object) -> HeldEvent:
    """Return a held bounce of ZoneMTA's own webhook."""
    given: dict[str, object] = {
        "time": 1_795_495_017_123 + number,
        "cluster": "eu1",
        "host": None,
        "event_id": f"q{number}.001:bounced",
        "action": Action.BOUNCED,
        "source": Source.BOUNCE,
        "direction": Direction.OUTBOUND,
        "queue_id": f"q{number}",
        "seq": "001",
        "raw": '{"a":"\\\\ \\" \\t"}',
        "received_at": 1_795_495_018_000,
    }
    event = MailEvent(**(given | values))  # type: ignore[arg-type]
    return HeldEvent.of(event, slots_of(event)[0])


def test_a_record_is_new_once(house: House) -> None:
    """A record written again in another batch is not new, and the commit reports that."""
    first = [held(n) for n in range(5)]
    assert sorted(r.key for r in house.store.write(Batch(records=first)).new_records) == [r.key for r in first]
    again = house.store.write(Batch(records=[held(n) for n in range(3, 7)]))
    assert sorted(r.key for r in again.new_records) == sorted(held(n).key for n in (5, 6))
    assert dict(again.duplicates) == {Source.BOUNCE: 2}


def test_a_held_event_keeps_the_row_that_it_would_be(house: House) -> None:
    """A held event keeps every column of the row that PostgreSQL later puts into mail_events."""
    one = held(1, next_attempt=1_795_495_017_999, tls_authorized=True, spam_score=0.5, recipients=1)
    house.store.write(Batch(records=[one]))
    house.connection.execute(
        "INSERT INTO mail_events SELECT (jsonb_populate_record(NULL::mail_events, event)).* FROM held_events"
    )
    row = house.connection.execute(
        "SELECT (extract(epoch FROM time) * 1000)::bigint, "
        "(extract(epoch FROM next_attempt) * 1000)::bigint, event_id, action,"
        " tls_authorized, spam_score, recipients, raw ->> 'a', smtp_code FROM mail_events"
    ).fetchone()
    assert row == (one.time, 1_795_495_017_999, "q1.001:bounced", "bounced", True, 0.5, 1, '\\ " \t', None)


def test_a_record_that_the_database_refuses_is_a_bad_row(house: House) -> None:
    """A record that the database refuses is a bad row, as in mail_events."""
    with pytest.raises(BadRowError):
        house.store.write(Batch(records=[held(1), held(2, reason="\0")]))
