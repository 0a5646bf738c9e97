"""Every SQL question of every dashboard runs on each tier, for each range and choice of variables.

The answer has the form that the panel needs, and is the same on each tier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from grafana.asked import Language, Shape, questions
from tests.integration.dashboards.answers import Choice, Range, ask, faults, names, ranges, same, sent
from tests.integration.dashboards.made_week import HOUR
from tests.unit.grafana.macros import UnknownMacroError

if TYPE_CHECKING:
    from grafana.asked import Question
    from tests.integration.dashboards.filling import Mail

pytestmark = pytest.mark.servers

QUESTIONS = {one.name: one for one in questions() if one.language is Language.SQL}

each = pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)

HOSTILE = (
    "x') OR 1=1 --",
    "'; DROP TABLE mail_events; --",
    "' UNION SELECT 1 --",
    "'",
    "''",
    "\\",
    "\\'",
    '"',
    "{",
    "{{shared/clusters}}",
    "${cluster}",
    "$1",
    "%s",
    "%",
    "/*",
    "$$",
    "$__interval",
    "\u202e\U0001f989",
    "x" * 10_000,
)

COMMUNITY_BYTES = 60_000
"""The longest statement to send: the stand-in for TimescaleDB Community (tests/servers/community.py) ends at 64 KiB."""

WITH_MACROS = ("$__timeFilter(", "$__timeFilter(time)", "$__timeFrom()", "$__unixEpochFrom(", "$nothing(", "a$b(c) '")
"""Values with macros, which Grafana expands too. It may answer them with an error (400)."""


def options(
    connection: psycopg.Connection, question: Question, asked: Range, mail: Mail | None
) -> dict[str, list[str]]:
    """Return the options of each variable in the SQL, from the variable's own query. A text box has typed texts."""
    found = {}
    for name in set().union(*names(question)):
        if question.variables[name]["type"] == "textbox":
            found[name] = _typed(mail)
            continue
        listed = QUESTIONS[f"{question.dashboard}/${name}"]
        chosen = options(connection, listed, asked, mail)
        answer = ask(connection, listed, asked, Choice(chosen, {one: values[0] for one, values in chosen.items()}))
        found[name] = [row[answer.columns.index("__value")] for row in answer.rows]
    return found


def _typed(mail: Mail | None) -> list[str]:
    if mail is None:
        return [""]
    event = next(event for event in mail.week.on_time if event.recipient)
    return [event.queue_id or "", event.message_id or "", event.recipient or "", ""]


def chosen(question: Question, known: dict[str, list[str]], number: int | None = None) -> Choice:
    """Return the choice of the first `number` options of each variable, or of all."""
    several, one = names(question)
    return Choice({name: known[name][:number] for name in several}, {name: [*known[name], ""][0] for name in one})


@each
def test_answers_have_the_form_that_the_panel_needs(filled: psycopg.Connection, mail: Mail, question: Question) -> None:
    """No answer has a fault, for each range and with one, two or all values of each variable."""
    wrong = []
    for name, asked in ranges(mail.end).items():
        known = options(filled, question, asked, mail)
        for number in (None, 1, 2):
            answer = ask(filled, question, asked, chosen(question, known, number))
            wrong += [f"{name}, {number or 'all'} chosen: {fault}" for fault in faults(question, answer)]
    assert wrong == []


@each
def test_every_question_has_an_answer(plain: psycopg.Connection, mail: Mail, question: Question) -> None:
    """Each question returns rows for at least one range, on a database with a week of data in every table."""
    assert any(
        ask(plain, question, asked, chosen(question, options(plain, question, asked, mail))).rows
        for asked in ranges(mail.end).values()
    )


@each
def test_each_tier_gives_the_same_answer_in_each_time_zone(
    filled: psycopg.Connection, plain: psycopg.Connection, mail: Mail, question: Question
) -> None:
    """The answer is the same on each tier, and in a time zone whose offset (5:45) is not a whole number of hours."""
    for name, asked in ranges(mail.end).items():
        choice = chosen(question, options(plain, question, asked, mail))
        answers = []
        for connection, zone in ((plain, "UTC"), (filled, "UTC"), (filled, "Asia/Kathmandu")):
            connection.execute(f"SET timezone = '{zone}'".encode())
            answers.append(ask(connection, question, asked, choice))
            connection.execute("SET timezone = 'UTC'")
        assert answers[1].columns == answers[0].columns
        assert answers[1].comparable() == answers[0].comparable(), name
        assert answers[2].comparable() == answers[0].comparable(), name


@each
def test_a_hostile_value_is_a_value_that_nothing_has(
    filled: psycopg.Connection, mail: Mail, question: Question
) -> None:
    """A hostile value gives no error, and the answer for a name that does not exist."""
    if not any(names(question)):
        return
    asked = ranges(mail.end)["half an hour"]
    nothing = ask(filled, question, asked, same(question, ["nobody"])).comparable()
    for value in HOSTILE:
        for values in ([value], ["nobody", value]):
            statement = sent(question, asked, same(question, values))
            if filled.cursor_factory is psycopg.ClientCursor and len(statement) > COMMUNITY_BYTES:
                continue
            rows = ask(filled, question, asked, same(question, values)).comparable()
            # A query may return the typed text.
            assert [tuple("nobody" if cell == value else cell for cell in row) for row in rows] == nothing, value[:50]


@each
def test_a_macro_in_a_value_is_an_error_at_worst(filled: psycopg.Connection, mail: Mail, question: Question) -> None:
    """A macro in a value at worst makes the statement fail, and no event is deleted."""
    if not any(names(question)):
        return
    asked = ranges(mail.end)["half an hour"]
    for value in WITH_MACROS:
        for values in ([value], ["; DELETE FROM mail_events; --", value], [") ; DELETE FROM mail_events; --", value]):
            try:
                text = sent(question, asked, same(question, values))
            except UnknownMacroError:
                continue
            try:
                filled.execute(text.encode())
            except (psycopg.ProgrammingError, psycopg.DataError):
                continue
    assert filled.execute("SELECT count(*) FROM mail_events").fetchone() == (len(mail.rows),)


@each
def test_before_the_first_event_there_is_no_error(empty: psycopg.Connection, question: Question) -> None:
    """On an empty database no answer has a fault, and each variable has an option."""
    end = 1_790_000_000_000
    for asked in (Range(end - HOUR, end, "5s"), Range(end - 200 * HOUR, end, "10m")):
        answer = ask(empty, question, asked, chosen(question, options(empty, question, asked, None)))
        assert faults(question, answer) == []
        assert question.shape is not Shape.VARIABLE or answer.rows
