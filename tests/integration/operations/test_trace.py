"""`duckwatch-collector trace` finds every recorded message of a real ZoneMTA by each of its identifiers."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from collector.__main__ import main
from collector.events.border.decoding import Border, decode_body
from collector.events.model.batch import Batch
from collector.events.model.event import Action, Direction, MailEvent, Source
from collector.events.model.precedence import slots_of
from collector.events.model.side_tables import HeldEvent
from collector.events.privacy.pseudonyms import Pseudonyms
from collector.events.sources import arf
from collector.pipeline.batch import assemble
from collector.store.writing.batch_write import PostgresStore
from tests.oracle.recording import read_recording
from tests.oracle.reports import report
from tests.oracle.stamps import shift
from tests.unit.events.entries import ACCEPTED, changed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.oracle.stamps import Record

pytestmark = pytest.mark.servers

SECRET = "a secret of the tests"
NOW = int(time.time() * 1000)
RECORDING: list[Record] = shift(read_recording(), NOW - 60_000)


class House:
    """A database with the recording. `ask` runs the command."""

    def __init__(self, dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.dsn, self._capsys = dsn, capsys
        monkeypatch.setenv("DUCKWATCH_COLLECTOR__DATABASE__DSN", dsn)
        self.store = PostgresStore(dsn, dsn)
        self.store.prepare()

    def fill(self, entries: list[dict[str, Any]], pseudonyms: Pseudonyms | None = None) -> None:
        """Store events in the plugin's form."""
        for start in range(0, len(entries), 1000):
            body = json.dumps(entries[start : start + 1000]).encode()
            request = decode_body(body, received_at=NOW, source=Source.PLUGIN, border=Border(pseudonyms=pseudonyms))
            self.store.write(assemble([request], {})[0])

    def ask(self, asked: str, *more: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code, printed = main(["trace", asked, *more]), self._capsys.readouterr()
        return code, printed.out, printed.err

    def json(self, asked: str, *more: str) -> dict[str, Any]:
        code, out, _ = self.ask(asked, "--json", *more)
        found: dict[str, Any] = json.loads(out)
        assert code == (0 if found["messages"] or found["dead_letters"] else 1)
        return found


def event_of(record: Record) -> dict[str, Any]:
    return {"time": record["time_ms"], "entry": record["entry"]}


def names_of(records: list[Record], *keys: str) -> dict[str, set[str]]:
    """Return the queue ids of each value of some fields, without lists of addresses."""
    found: dict[str, set[str]] = {}
    for record in records:
        for key in keys:
            value = record["entry"].get(key)
            if value and "," not in value:
                found.setdefault(value, set()).add(record["entry"]["id"])
    return found


@pytest.fixture
def house(any_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[House]:
    made = House(any_dsn, monkeypatch, capsys)
    yield made
    made.store.close()


def test_every_recorded_message_is_found_by_its_queue_id(house: House) -> None:
    """A queue id in any case finds the message with all its events."""
    house.fill([event_of(record) for record in RECORDING])
    events = Counter(record["entry"]["id"] for record in RECORDING)
    for queue_id in [*list(events)[:8], *(one for one, _ in events.most_common(3))]:
        for spelling in (queue_id, queue_id.upper(), f" {queue_id}\n"):
            (message,) = house.json(spelling)["messages"]
            assert (message["queue_id"], len(message["events"])) == (queue_id, events[queue_id])


def test_every_recorded_message_is_found_by_its_message_id(house: House) -> None:
    """A Message-ID, with or without `<>` and in any case, finds the message."""
    house.fill([event_of(record) for record in RECORDING])
    ids = names_of(RECORDING, "message-id", "messageId")
    for message_id in list(ids)[:5]:
        for spelling in (message_id, message_id[1:-1], message_id.upper(), message_id[1:-1].swapcase()):
            found = house.json(spelling)["messages"]
            assert {message["queue_id"] for message in found} == ids[message_id]


def test_every_recorded_message_is_found_by_its_recipient(house: House) -> None:
    """A recipient, in any case or in a header's form, finds all its messages."""
    house.fill([event_of(record) for record in RECORDING])
    people = names_of(RECORDING, "to", "recipient")
    for person in sorted(people, key=lambda one: len(people[one]))[:: max(1, len(people) // 12)]:
        for spelling in (person, person.upper(), f"<{person}>", f"Jane <{person.swapcase()}> (a comment)"):
            found = house.json(spelling, "--limit", "1000")["messages"]
            assert {message["queue_id"] for message in found} == people[person]


def test_a_life_is_told_in_its_order(house: House) -> None:
    """A message is shown as its events in order, with reply and reason, then each recipient's outcome."""
    entry = changed(ACCEPTED, id="1a20bd7ba7a000cd07")
    queued = {"action": "QUEUED", "id": entry["id"], "message-id": "<1@shop.example>", "from": "news@shop.example",
        "to": "ok@corp.example", "body": 3008}  # fmt: skip
    deferred = changed(
        entry, action="DEFERRED", response="421 4.7.0 Try again later", defcount=1, nextattempt=NOW + 300_000
    )
    bounced = changed(entry, action="REJECTED", response="550 5.1.1 No such \x1b[31muser", category="recipient")
    notice = {"action": "QUEUE_BOUNCE", "id": entry["id"], "seq": "001", "queued": "yes", "bounceType": "failure",
        "bounceId": "1a20bd7ba7b000aaaa"}  # fmt: skip
    dsn = {
        "action": "QUEUED",
        "id": "1a20bd7ba7b000aaaa",
        "from": "<>",
        "to": "news@shop.example",
        "interface": "bounce",
    }
    house.fill(
        [{"time": NOW - 5000 + n, "entry": one} for n, one in enumerate([queued, deferred, bounced, notice, dsn])]
    )
    code, out, err = house.ask("ok@corp.example")
    assert (code, err) == (0, "")
    places = [
        out.index(part)
        for part in (
            "message 1a20bd7ba7a000cd07", "<1@shop.example>", "queued ", "3,008 bytes", "deferred ",
            "to ok@corp.example (001), attempt 1, MX mx1.corp.example",
            "next attempt ", "421 4.7.0 Try again later", "bounced ", "550 5.1.1 No such ?[31muser",
            "reason: unknown_user (hard)", "dsn_queued",
            "now: bounced 1", "(DSN) is message 1a20bd7ba7b000aaaa", "to news@shop.example",
        )
    ]  # fmt: skip
    assert places == sorted(places)
    assert "\x1b" not in out


def test_several_messages_are_a_list_with_the_newest_first(house: House) -> None:
    """Several messages are a list, newest first, limited by `--limit`, with a hint how to see one."""
    house.fill([{"time": NOW - n * 1000, "entry": changed(ACCEPTED, id=f"1a20bd7ba7a000cd{n:02}")} for n in range(20)])
    code, out, _ = house.ask("ok@corp.example", "--limit", "5")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "5 messages, the newest first:"
    assert [line.split()[2] for line in lines[1:6]] == [f"1a20bd7ba7a000cd{n:02}" for n in range(5)]
    assert lines[6:] == [
        "  there may be more: --limit 50",
        "to see one of them, type the same command with its queue id",
    ]
    house.fill([{"time": NOW + n, "entry": changed(ACCEPTED, action="DEFERRED", defcount=n)} for n in range(9)])
    code, out, _ = house.ask(ACCEPTED["id"], "--limit", "3")
    assert out.count("  deferred ") == 3
    assert "attempt 8" in out
    assert "only the newest 3 events" in out


def test_one_recipient_of_many_is_told_alone(house: House) -> None:
    """One recipient is shown alone with the events of the whole message, also by `ID.SEQ`."""
    queued = {"action": "QUEUED", "id": "q12345", "from": "a@shop.example", "to": "a@x.example,b@x.example"}
    house.fill(
        [{"time": NOW, "entry": queued}]
        + [
            {"time": NOW + n, "entry": changed(ACCEPTED, id="q12345", seq=f"00{n}", to=f"{who}@x.example")}
            for n, who in enumerate("ab", 1)
        ]
    )
    for asked in ("b@x.example", "q12345.002"):
        (message,) = house.json(asked)["messages"]
        assert [(one["action"], one["seq"]) for one in message["events"]] == [("queued", None), ("delivered", "002")]
    (message,) = house.json("q12345")["messages"]
    assert len(message["events"]) == 3


def test_what_other_sources_say_belongs_to_the_life(house: House) -> None:
    """A complaint, a held event and a dead letter about the message are shown with it."""
    house.fill([{"time": NOW, "entry": ACCEPTED}])
    complaint = arf.read_complaint(report(), received_at=NOW, border=Border())
    waiting = MailEvent(
        NOW, "default", None, f"{ACCEPTED['id']}.002:bounced", Action.BOUNCED, Source.BOUNCE, Direction.OUTBOUND,
        ACCEPTED["id"], "002",
        recipient="b@corp.example", response="550 no", received_at=NOW,
    )  # fmt: skip
    batch, _ = assemble([complaint], {})
    house.store.write(Batch(batch.events, records=[HeldEvent.of(waiting, slots_of(waiting)[0])]))
    house.fill([{"entry": ACCEPTED}])
    for asked in (ACCEPTED["id"], "<1@shop.example>"):
        code, out, _ = house.ask(asked)
        assert code == 0
        assert "complained" in out
        assert "as abuse" in out
    assert "(bounced)" in out
    assert "reported by bounce; waits" in out
    assert "no_time" in out
    assert "dead-letters show " in out
    letter = out.rpartition("dead-letters show ")[2].strip()
    assert main(["dead-letters", "show", letter]) == 0


@pytest.mark.parametrize(
    "asked",
    ["1a20bd7ba7a000ffff", "nobody@nowhere.example", "<x@y.example>", "", "%", "é@ü.example", "\x00", "a" * 5000],
)
def test_nothing_found_says_what_to_try_next(house: House, asked: str) -> None:
    """Without a match the command exits with 1, prints no output, and says what to try next."""
    house.fill([{"time": NOW, "entry": ACCEPTED}])
    code, out, err = house.ask(asked)
    assert (code, out) == (1, "")
    assert "What to try next" in err
    assert "dead-letters list" in err


def test_a_person_is_found_behind_the_pseudonym(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain address, Message-ID or pseudonym finds pseudonymous rows, and the output does not name the person."""
    monkeypatch.setenv("DUCKWATCH_COLLECTOR__PRIVACY__SECRET", SECRET)
    pseudonyms = Pseudonyms(SECRET.encode())
    entry = changed(ACCEPTED, to="JaneCanary@Corp.example", messageId="<Canary1@shop.example>")
    house.fill([{"time": NOW, "entry": entry}], pseudonyms)
    person = f"{pseudonyms.of('janecanary@corp.example')}@corp.example"
    for asked in (
        "janecanary@corp.example",
        "Jane <JaneCanary@CORP.example>",
        person,
        "canary1@shop.example",
        "<CANARY1@shop.example>",
    ):
        code, out, err = house.ask(asked)
        assert (code, err) == (0, "")
        assert person in out
        assert "canary" not in out.lower()


def test_nothing_is_logged(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """The command logs nothing, because its argument may be a person's address."""
    with caplog.at_level("DEBUG", logger="collector"):
        house.ask("jane@corp.example")
    assert caplog.text == ""


def test_in_a_database_without_the_schema_it_says_so(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a database without the schema it reports that, and not "nothing is found"."""
    monkeypatch.setenv("DUCKWATCH_COLLECTOR__DATABASE__DSN", postgres_dsn)
    assert main(["trace", "1a20bd7ba7a000ffff"]) == 1
    assert "missing_table" in capsys.readouterr().err
    with psycopg.connect(postgres_dsn) as connection:
        assert connection.execute("SELECT to_regclass('mail_events')").fetchone() == (None,)


def test_the_statements_of_the_docs_find_it_and_say_why(house: House) -> None:
    """The statements of docs/storage.md find the message by what a user pastes, in any case, with or without `<>`."""
    house.fill([{"time": NOW, "entry": changed(ACCEPTED, action="REJECTED", response="550 5.1.1 User unknown",
        messageId="<abc@shop.example>")}])  # fmt: skip
    page = (
        (Path(__file__).parents[3] / "docs/storage.md").read_text(encoding="utf-8").partition("## Finding a message")[2]
    )
    statements = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    queue_id, message_id, recipient = statements
    asked = [(queue_id, [ACCEPTED["id"], ACCEPTED["id"].upper()])]
    asked += [(message_id, ["<abc@shop.example>", "abc@shop.example", "<ABC@Shop.example>", "ABC@SHOP.EXAMPLE"])]
    asked += [(recipient, ["ok@corp.example", "<ok@corp.example>", "OK@Corp.example"])]
    with psycopg.connect(house.dsn) as connection:
        for statement, values in asked:
            for value in values:
                cursor = connection.execute(statement.replace("…", value).encode())
                assert cursor.description is not None
                (row,) = cursor.fetchall()
                found = dict(zip([column.name for column in cursor.description], row, strict=True))
                assert (found["action"], found["reason"]) == ("bounced", "unknown_user")
