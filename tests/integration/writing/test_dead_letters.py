"""`dead-letters`: an operator reads dead letters, retries them once the cause is fixed, and drops the rest."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import yaml

from collector.__main__ import main
from collector.events.model.batch import Batch, DeadLetter
from collector.events.model.event import Action, Direction, MailEvent, RejectReason, Source
from collector.events.model.side_tables import AuthEvent, HeldEvent
from collector.operations import dead_letters
from collector.pipeline.letters import letter_of_row
from collector.store.writing.batch_write import PostgresStore
from tests import canaries

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str]]

NOW = int(time.time() * 1000)
ENTRY = {"id": "q1", "action": "QUEUED", "from": "a@x.example", "to": "b@y.example"}


def letter(letter_id: str, reason: RejectReason, event: dict[str, Any]) -> DeadLetter:
    """Return a dead letter of a request."""
    return DeadLetter(letter_id, NOW, "eu1", Source.PLUGIN, reason, "the error", json.dumps(event))


@pytest.fixture
def run(any_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line on a migrated database. Return exit code and output."""
    config = tmp_path / "duckwatch.yml"
    config.write_text(yaml.safe_dump({"collector": {"database": {"dsn": any_dsn}}}), encoding="utf-8")

    def command(*arguments: str) -> tuple[int, str]:
        code = main(["--config", str(config), *arguments])
        printed = capsys.readouterr()
        if "show" not in arguments:
            canaries.hear("dead-letters", printed.out + printed.err)
        return code, printed.out

    assert command("migrate")[1].startswith("applied 0001_mail_events\n")
    assert command("migrate")[1].startswith("nothing to apply")
    return command


@pytest.fixture
def aside(any_dsn: str, run: Run) -> Callable[..., None]:
    """Store dead letters as the writer does."""

    def set_aside(*letters: DeadLetter) -> None:
        store = PostgresStore(any_dsn, any_dsn)
        store.write(Batch((), letters))
        store.close()

    return set_aside


def rows(dsn: str, sql: str) -> list[tuple[Any, ...]]:
    """Read rows by the test's own connection."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(sql.encode()).fetchall()


def test_a_list_shows_no_content_and_a_letter_shows_all(run: Run, aside: Callable[..., None]) -> None:
    """The list has one line for each letter and no addresses; `show` prints the whole letter."""
    aside(
        letter("r:0", RejectReason.NO_TIME, {"entry": ENTRY}),
        letter("r:1", RejectReason.TIME_AHEAD, {"time": NOW, "entry": ENTRY}),
    )
    code, listed = run("dead-letters", "list")
    assert code == 0
    assert [line.split()[0] for line in listed.splitlines()] == ["r:0", "r:1"]
    assert "@" not in listed
    aside(DeadLetter("z:0", NOW + 1, "eu\x1b[2J", Source.PLUGIN, RejectReason.NO_TIME, "the error", "{}"))
    assert "\x1b" not in run("dead-letters", "list")[1]
    assert run("dead-letters", "list", "--reason", "time_ahead")[1].splitlines() == listed.splitlines()[1:]
    code, shown = run("dead-letters", "show", "r:1")
    assert code == 0
    assert json.loads(json.loads(shown)["raw"])["entry"] == ENTRY
    assert run("dead-letters", "show", "r:9") == (1, "no such letter\n")


def test_what_can_be_stored_now_is_and_what_cannot_stays(run: Run, aside: Callable[..., None], any_dsn: str) -> None:
    """A retry stores a letter whose time is now valid, and keeps one without a time."""
    aside(
        letter("r:0", RejectReason.TIME_AHEAD, {"time": NOW, "entry": ENTRY}),
        letter("r:1", RejectReason.NO_TIME, {"entry": ENTRY}),
        letter("r:2", RejectReason.NOT_AN_EVENT, "cut off"),  # type: ignore[arg-type]  # what a line that is no JSON leaves
    )
    code, said = run("dead-letters", "retry", "--reason", "time_ahead")
    assert (code, said) == (0, "stored 1, left 0\n")
    assert rows(any_dsn, "SELECT event_id, cluster, recipient FROM mail_events") == [
        ("q1:queued", "eu1", "b@y.example")
    ]
    code, said = run("dead-letters", "retry", "r:1", "r:2")
    assert code == 1
    assert "stored 0, left 2" in said
    assert rows(any_dsn, "SELECT letter_id FROM dead_letters ORDER BY 1") == [("r:1",), ("r:2",)]


def test_a_row_that_the_database_refused_is_stored_once_its_cause_is_gone(
    run: Run, aside: Callable[..., None], any_dsn: str
) -> None:
    """A refused row is retried as a row, stays if refused again, and is stored once the cause is gone."""
    event = MailEvent(
        NOW,
        "eu1",
        "mta1",
        "q2:queued",
        Action.QUEUED,
        Source.PLUGIN,
        Direction.OUTBOUND,
        recipient="b@y.example",
        received_at=NOW,
    )
    aside(letter_of_row(event, "23514"))
    with psycopg.connect(any_dsn) as connection:
        connection.execute("ALTER TABLE mail_events ADD CONSTRAINT no_y CHECK (recipient <> 'b@y.example')")
    code, said = run("dead-letters", "retry", "--reason", "bad_row")
    assert code == 1
    assert "23514" in said
    with psycopg.connect(any_dsn) as connection:
        connection.execute("ALTER TABLE mail_events DROP CONSTRAINT no_y")
    assert run("dead-letters", "retry", "--reason", "bad_row") == (0, "stored 1, left 0\n")
    assert rows(any_dsn, "SELECT event_id, recipient FROM mail_events") == [("q2:queued", "b@y.example")]
    assert rows(any_dsn, "SELECT count(*) FROM dead_letters") == [(0,)]


def test_a_refused_row_of_another_table_is_stored_where_it_belongs(
    run: Run, aside: Callable[..., None], any_dsn: str
) -> None:
    """A refused row of another table is stored in that table once the cause is gone."""
    login = AuthEvent("eu1", NOW, NOW, "l1", Source.WILDDUCK, "IMAP", "fail", username="jane", count=3)
    event = MailEvent(NOW, "eu1", "mta1", "q3:queued", Action.QUEUED, Source.GELF, Direction.OUTBOUND, received_at=NOW)
    held = HeldEvent("eu1", NOW, "q3", "", "queued", Source.GELF, NOW, event)
    aside(letter_of_row(login, "23514"), letter_of_row(held, "22P02"))
    with psycopg.connect(any_dsn) as connection:
        connection.execute("ALTER TABLE auth_events ADD CONSTRAINT no_three CHECK (count <> 3)")
    assert run("dead-letters", "retry", "--reason", "bad_row")[1].endswith("stored 1, left 1\n")
    with psycopg.connect(any_dsn) as connection:
        connection.execute("ALTER TABLE auth_events DROP CONSTRAINT no_three")
    assert run("dead-letters", "retry", "--reason", "bad_row") == (0, "stored 1, left 0\n")
    assert rows(any_dsn, "SELECT event_id, username, count FROM auth_events") == [("l1", "jane", 3)]
    assert rows(any_dsn, "SELECT slot, event ->> 'event_id' FROM held_events") == [("queued", "q3:queued")]
    assert rows(any_dsn, "SELECT (SELECT count(*) FROM mail_events), (SELECT count(*) FROM dead_letters)") == [(0, 0)]


def test_more_letters_than_a_page_are_each_tried_once(
    run: Run, aside: Callable[..., None], any_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retry of more letters than a page tries each exactly once, whether stored or not."""
    monkeypatch.setattr(dead_letters, "PAGE", 3)
    letters = []
    for n in range(20):
        stamp = {} if n % 4 else {"time": NOW}
        one = letter(f"r:{n}", RejectReason.NO_TIME, {**stamp, "entry": ENTRY | {"id": f"q{n}"}})
        letters.append(dataclasses.replace(one, received_at=NOW + n // 7))
    aside(*letters)
    code, said = run("dead-letters", "retry", "--reason", "no_time")
    assert (code, said.splitlines()[-1]) == (1, "stored 5, left 15")
    assert len(set(said.splitlines())) == 16
    assert rows(any_dsn, "SELECT count(*) FROM mail_events") == [(5,)]
    assert run("dead-letters", "drop", "--reason", "no_time") == (0, "dropped 15\n")
    with pytest.raises(SystemExit):
        run("dead-letters", "list", "--limit", "0")


def test_letters_are_dropped_by_name_or_by_reason(run: Run, aside: Callable[..., None], any_dsn: str) -> None:
    """`drop` removes only the letters named by id or reason, and requires one of them."""
    aside(*(letter(f"r:{n}", RejectReason.NO_TIME, {}) for n in range(3)), letter("r:9", RejectReason.TIME_AHEAD, {}))
    assert run("dead-letters", "drop", "r:0") == (0, "dropped 1\n")
    assert run("dead-letters", "drop", "r:0") == (1, "dropped 0\n")
    assert run("dead-letters", "drop", "--reason", "no_time") == (0, "dropped 2\n")
    assert rows(any_dsn, "SELECT letter_id FROM dead_letters") == [("r:9",)]
    with pytest.raises(SystemExit):
        run("dead-letters", "drop")
