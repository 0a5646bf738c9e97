"""`subject export` finds all data of a person, and `subject forget` removes it and nothing of other people."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from collector.__main__ import main
from collector.config.model import RetentionSettings
from collector.events.border.decoding import Border, decode_body
from collector.events.model.batch import Batch
from collector.events.model.event import Source
from collector.events.model.side_tables import AuthEvent
from collector.events.privacy.pseudonyms import Pseudonyms
from collector.events.sources import wildduck
from collector.jobs import RollUp
from collector.pipeline.batch import assemble
from collector.store.migrations import migrate
from collector.store.people.spelling import Person
from collector.store.people.subjects import IMPERSONAL, PERSONAL
from collector.store.writing.batch_write import PostgresStore
from tests import canaries
from tests.oracle.outcomes import assert_outcomes
from tests.unit.events.entries import ACCEPTED, QUEUED, changed

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "a secret of the tests"
JANE = "janedoe@x.example"
DAY_MS = 86_400_000
NOW = int(time.time() * 1000)

ENTRIES: list[dict[str, Any]] = [
    changed(QUEUED, to=f"{JANE},mary{JANE},bob@y.example"),
    changed(ACCEPTED, to="JaneDoe@X.example", response=f"250 to <{JANE}> janedoe", fbl="list:7"),
    changed(ACCEPTED, seq="002", to=f"mary{JANE}"),
    changed(ACCEPTED, seq="003", to="bob@y.example", response=f"250 not {JANE}. but mary{JANE}"),
    changed(
        ACCEPTED,
        seq="004",
        action="REJECTED",
        to="janedoe@x.example",
        response="550 5.1.1 no mailbox janedoe here",
        interface=f"<{JANE}>",
    ),
    changed(ACCEPTED, seq="005", returnPath="bounce+janedoe=x.example@shop.example", to="carl@y.example"),
    changed(ACCEPTED, seq="006", **{"from": JANE, "user": JANE}),
    changed(ACCEPTED, seq="007", to="dora@y.example", httpUrl="http://h/?to=janedoe%40x.example"),
    {"action": "DROP", "id": ACCEPTED["id"], "seq": "008", "recipient": JANE, "reason": f"{JANE} is suppressed"},
]
"""The address in every form (whole, quoted, in a list, link, VERP), and another that only ends like it."""


class House:
    """A database with those entries, a day apart, and a dead letter. `ask` runs a command."""

    def __init__(self, dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.dsn, self._capsys = dsn, capsys
        monkeypatch.setenv("DUCKWATCH_COLLECTOR__DATABASE__DSN", dsn)
        monkeypatch.setenv("DUCKWATCH_COLLECTOR__PRIVACY__SECRET", SECRET)
        self.store = PostgresStore(dsn, dsn)
        self.store.prepare()

    def fill(self, pseudonyms: Pseudonyms | None = None) -> int:
        """Store the entries. Return the number of new ones."""
        body = [{"time": NOW - n * DAY_MS, "entry": entry} for n, entry in enumerate(ENTRIES)]
        body += [{"entry": {"action": "QUEUED", "to": JANE}}]
        border = Border(pseudonyms=pseudonyms)
        request = decode_body(
            json.dumps(body).encode(), received_at=NOW, source=Source.PLUGIN, border=border, request_id="ab"
        )
        return len(self.store.write(assemble([request], {})[0]).new_events)

    def ask(self, verb: str, address: str = JANE) -> tuple[int, str]:
        self._capsys.readouterr()
        code, printed = main(["subject", verb, address]), self._capsys.readouterr()
        if verb == "forget":
            canaries.hear("subject forget", printed.out + printed.err)
        return code, printed.out

    def everything(self) -> str:
        """Return every row of every table as text."""
        with psycopg.connect(self.dsn) as connection:
            return "\n".join(
                str(row)
                for name in _tables(connection)
                for row in connection.execute(
                    psycopg.sql.SQL("SELECT t::text FROM {} t").format(psycopg.sql.Identifier(name))
                )
            ).lower()

    def counts(self) -> list[tuple[Any, ...]]:
        """Return the counts from which roll-ups are made."""
        columns = "action, reason, provider, sender_domain, recipient_domain, smtp_code, recipients, size_bytes"
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(
                f"SELECT {columns}, count(*) FROM mail_events GROUP BY {columns} "
                "ORDER BY 1, 2, 3, 4, 5, 6, 7, 8".encode()
            ).fetchall()


def _tables(connection: psycopg.Connection) -> list[str]:
    found = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace "
        "AND relkind IN ('r', 'p', 'm')"
    )
    return [name for (name,) in found]


@pytest.fixture
def house(any_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[House]:
    made = House(any_dsn, monkeypatch, capsys)
    yield made
    made.store.close()


def test_every_row_that_names_the_person_is_exported(house: House) -> None:
    """The export holds each row of every table that names the person, as a line of JSON, and no other person's."""
    house.fill()
    code, out = house.ask("export")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert sorted(line["table"] for line in lines) == ["dead_letters", *["mail_events"] * 8]
    assert {line["row"].get("seq") for line in lines} == {None, "001", "003", "004", "005", "006", "007", "008"}
    assert house.ask("export", "JANEDOE@X.EXAMPLE")[1] == out
    code, out = house.ask("export", f"mary{JANE}")
    assert {json.loads(line)["row"]["seq"] for line in out.splitlines()} == {None, "002", "003"}


def test_nothing_of_a_forgotten_person_is_left_and_everybody_else_is(house: House) -> None:
    """After forgetting, no table names the person, the counts are the same, and a retry brings nothing back."""
    house.fill()
    before = house.counts()
    code, out = house.ask("forget")
    assert code == 0
    assert {"mail_events: 8 rows", "dead_letters: 1 rows"} <= set(out.splitlines())
    left = house.everything()
    assert left.count("janedoe") == left.count("maryjanedoe@x.example") > 0
    assert "bob@y.example" in left
    assert "forgotten@x.example" in left
    assert house.counts() == before
    assert house.ask("forget")[0] == 1
    assert house.ask("export") == (1, "")
    assert house.fill() == 0
    with psycopg.connect(house.dsn) as connection:
        connection.execute("DELETE FROM dead_letters")  # a retried bad event is a letter again
    assert house.everything().count("janedoe") == left.count("janedoe")


def test_a_row_about_the_person_keeps_nothing_to_tell_it_by(house: House) -> None:
    """A row about the person loses every identifying column; a row that only quotes the person keeps the others."""
    house.fill()
    house.ask("forget")
    with psycopg.connect(house.dsn) as connection:
        rows = connection.execute(
            "SELECT seq, recipient, message_id, response, raw, response_pattern, mx_host FROM mail_events"
        ).fetchall()
    found = {row[0]: row[1:] for row in rows}
    assert found["001"][:4] == ("forgotten@x.example", None, None, None)
    assert found["001"][5] == ACCEPTED["mx"]
    assert found["004"][4] == "550 5.1.1 no mailbox <id> here"
    assert found["003"][:3] == (
        "bob@y.example",
        ACCEPTED["messageId"],
        "250 not forgotten@x.example. but maryjanedoe@x.example",
    )
    assert found[None][3]["to"] == "forgotten@x.example,maryjanedoe@x.example,bob@y.example"


def roll_up(connection: psycopg.Connection) -> None:
    """One run of the job of a collector that has just started."""
    RollUp(RetentionSettings()).run(connection, datetime.now(UTC), lambda: False)


def test_patterns_that_name_the_person_alone_are_forgotten_in_roll_ups(house: House) -> None:
    """Also in those whose events are gone, where nobody knows whom they name;
    those of which there are events are built from them.
    """
    house.fill()
    with psycopg.connect(house.dsn, autocommit=True) as connection:
        for reply in ("550 no janedoe", "550 no bob"):
            connection.execute(
                "INSERT INTO pattern_stats_1h "
                "VALUES (%(at)s, 'eu1', NULL, %(reply)s, NULL, 'bounced', 3, %(at)s, %(at)s, 'gone')",
                {"at": datetime(2020, 1, 1, tzinfo=UTC), "reply": reply},
            )
        roll_up(connection)
        known = "SELECT response_pattern FROM reply_patterns ORDER BY 1"
        assert ("550 5.1.1 no mailbox janedoe here",) in connection.execute(known).fetchall()
        assert "pattern_stats_1h: 2 rows" in house.ask("forget")[1]
        assert "janedoe" not in str(connection.execute("SELECT * FROM pattern_stats_1h").fetchall())
        assert "janedoe" not in str(connection.execute(known).fetchall())
        roll_up(connection)
        assert ("550 5.1.1 no mailbox <id> here",) in connection.execute(known).fetchall()
        old = "SELECT response_pattern, events FROM pattern_stats_1h WHERE example_event_id = 'gone' ORDER BY 1"
        assert connection.execute(old).fetchall() == [("550 no <id>", 3), ("550 no bob", 3)]
        connection.execute("DELETE FROM pattern_stats_1h WHERE example_event_id = 'gone'")
        assert_outcomes(connection)


ACCOUNT = "6b05172ebb7cd0c6d7213bf5"


def tell_of_jane(house: House) -> None:
    """Send a webhook with the person's address and id, one with the id only, and logins."""
    bodies = [
        {"ev": "user.created", "time": NOW, "user": ACCOUNT, "username": "jane", "address": JANE},
        {"ev": "user.password.changed", "time": NOW, "user": ACCOUNT},
        {
            "ev": "marked.spam",
            "time": NOW,
            "user": "u2",
            "message": 1,
            "from": {"address": JANE},
            "to": "bob@y.example",
        },
    ]
    request = wildduck.read_webhooks(json.dumps(bodies).encode(), received_at=NOW, border=Border())
    logins = [
        AuthEvent(
            "default", NOW, NOW, "wd:auth:d1:1", Source.CHANGE_STREAM, "imap", "failed", ACCOUNT, None, "192.0.2.1"
        ),
        AuthEvent(
            "default", NOW, NOW, "wd:auth:h:1", Source.GELF, "imap", "failed", None, JANE, "192.0.2.1", raw='{"a":1}'
        ),
        AuthEvent(
            "default", NOW, NOW, "wd:auth:d2:1", Source.CHANGE_STREAM, "imap", "success", "u2", None, "192.0.2.2"
        ),
    ]
    batch = assemble([request], {})[0]
    house.store.write(Batch(events=batch.events, records=[*batch.records, *logins]))


def test_logins_and_webhooks_of_a_person_are_reached(house: House) -> None:
    """Logins and webhooks are found by address or account id, and no other person's row changes."""
    tell_of_jane(house)
    lines = [json.loads(line) for line in house.ask("export")[1].splitlines()]
    assert sorted(line["table"] for line in lines) == ["audit_events", "audit_events", "auth_events", "mail_events"]
    by_id = [json.loads(line)["table"] for line in house.ask("export", ACCOUNT)[1].splitlines()]
    assert sorted(by_id) == ["audit_events", "audit_events", "auth_events"]
    assert house.ask("forget")[0] == house.ask("forget", ACCOUNT)[0] == 0
    assert house.ask("export") == house.ask("export", ACCOUNT) == (1, "")
    with psycopg.connect(house.dsn) as connection:
        logins = connection.execute(
            "SELECT user_id, username, source_ip, raw FROM auth_events ORDER BY event_id"
        ).fetchall()
        told = connection.execute("SELECT user_id, raw FROM audit_events WHERE ev LIKE 'user.%'").fetchall()
    forgotten = ("forgotten", None, None, None)
    assert logins == [forgotten, ("u2", None, "192.0.2.2", None), (None, "forgotten@x.example", None, None)]
    assert told == [("forgotten", None)] * 2
    assert "janedoe" not in house.everything()


def test_pseudonyms_are_found_by_the_secret(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The secret finds a person's pseudonymous rows beside the plain ones, and a day's rows change together."""
    monkeypatch.setattr("collector.store.people.subjects._FEW", 0)
    house.fill(Pseudonyms(SECRET.encode()))
    pseudonym = house.ask("pseudonym")[1].strip()
    assert pseudonym in house.everything()
    assert "janedoe" not in house.everything()
    code, out = house.ask("export")
    assert code == 0
    assert {json.loads(line)["row"].get("seq") for line in out.splitlines()} >= {None, "001", "004", "006", "008"}
    assert house.ask("forget")[0] == 0
    assert pseudonym not in house.everything()
    assert "forgotten@x.example" in house.everything()


def test_the_name_of_a_user_is_found_in_its_column_only(house: House) -> None:
    """A user name is searched only in its column, because the word may occur in any text."""
    body = json.dumps(
        [{"time": NOW, "entry": changed(ACCEPTED, user="service", response="250 service ready")}]
    ).encode()
    request = decode_body(body, received_at=NOW, source=Source.PLUGIN, border=Border())
    house.store.write(assemble([request], {})[0])
    house.fill()
    code, out = house.ask("export", "service")
    assert (code, len(out.splitlines())) == (0, 1)
    assert house.ask("forget", "SERVICE")[0] == 0
    assert house.ask("export", "service")[0] == 1


@pytest.mark.parametrize(
    "wrong", ["", "@x.example", "jane@", "jane@x y", "jane@x.example'; DROP TABLE mail_events", "a\nb@x.example"]
)
def test_what_is_no_address_is_refused(house: House, wrong: str) -> None:
    """A text that is not an address is refused and not repeated in the message."""
    assert house.ask("forget", wrong) == (2, "")


@pytest.mark.parametrize(
    "hostile",
    [
        "o'neil%_@x.example",
        "a.*@x.example",
        "(((@x.example",
        "jané@büro.example",
        '"a b\\"c"@x.example',
        "{}$1\\1@x.example",
    ],
)
def test_an_address_is_never_a_pattern(house: House, hostile: str) -> None:
    """An address is never used as a pattern, whatever characters it has."""
    other = "alien@x.example"
    entries = [changed(ACCEPTED, to=hostile, response=f"250 {hostile}"), changed(ACCEPTED, seq="002", to=other)]
    body = json.dumps([{"time": NOW, "entry": entry} for entry in entries]).encode()
    request = decode_body(body, received_at=NOW, source=Source.PLUGIN, border=Border())
    house.store.write(assemble([request], {})[0])
    code, out = house.ask("export", hostile)
    assert (code, len(out.splitlines())) == (0, 1)
    assert house.ask("forget", hostile)[0] == 0
    assert house.ask("export", hostile)[0] == 1
    assert other in house.everything()


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("Jörg.ÖZIL@Büro.example", "jörg.özil@xn--bro-hoa.example"),
        ("ΣΊΣΥΦΟΣ@x.example", "σίσυφος@x.example"),
        ("İnci@x.example", "İnci@x.example"),
        ("rene\u0301@x.example", "René@x.example"),
        ("用户@例子.example", "用户@xn--fsqu00a.example"),
        ("ÄÖÜ@x.example", "äöü@x.example"),
    ],
)
def test_no_locale_of_the_database_hides_a_person(house: House, stored: str, asked: str) -> None:
    """A person is found in any case and Unicode form, also in the locale C, which has no case beyond ASCII."""
    entries = [changed(ACCEPTED, to=stored), changed(ACCEPTED, seq="002", to="x@y.example", response=f"250 <{stored}>")]
    body = json.dumps(
        [*({"time": NOW, "entry": entry} for entry in entries), {"entry": {"action": "QUEUED", "to": stored}}]
    )
    request = decode_body(body.encode(), received_at=NOW, source=Source.PLUGIN, border=Border(), request_id="cd")
    house.store.write(assemble([request], {})[0])
    assert len(house.ask("export", asked)[1].splitlines()) == 3
    assert house.ask("forget", asked)[0] == 0
    assert house.ask("export", asked)[0] == 1
    assert stored.partition("@")[0].lower() not in house.everything()


@pytest.mark.parametrize("verb", ["export", "forget"])
def test_a_database_without_our_tables_is_not_an_answer(
    verb: str, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a database without the tables the command fails, instead of reporting that no data exists."""
    monkeypatch.setenv("DUCKWATCH_COLLECTOR__DATABASE__DSN", postgres_dsn)
    assert main(["subject", verb, JANE]) == 1
    printed = capsys.readouterr()
    assert (printed.out, "missing_table" in printed.err) == ("", True)


def test_every_table_is_known_to_hold_people_or_not(any_dsn: str) -> None:
    """Every table is in the list of those with personal data or in that of those without."""
    with psycopg.connect(any_dsn) as connection:
        migrate(connection)
        tables = {name for name in _tables(connection) if not name.startswith("_")}
        assert tables <= {table.name for table in PERSONAL} | IMPERSONAL
        for table in PERSONAL:
            columns = {
                name
                for (name,) in connection.execute(
                    "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0", [table.name]
                )
            }
            texts = {*table.addresses, *table.texts, *table.documents, *table.emptied}
            named = {*texts, *table.patterns, *table.names, table.time}
            assert named - {None} <= columns


def test_both_spellings_of_a_domain_are_one_person() -> None:
    """A domain in Unicode and as A-labels is the same person."""
    spelt, written = Person.of("jane@xn--bro-hoa.example", None), Person.of("Jane@büro.example", None)
    assert set(spelt.whole) == set(written.whole)
