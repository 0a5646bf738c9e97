"""`reclassify` makes rows and roll-ups equal to a new judgement of the replies, on every tier, also after kills."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from psycopg import conninfo

from collector.__main__ import main
from collector.events.border.decoding import Border, decode_body
from collector.events.judgement import Judgement
from collector.events.model.event import Source
from collector.events.privacy.pseudonyms import Pseudonyms
from collector.pipeline.batch import assemble
from collector.store.people.spelling import Person
from collector.store.people.subjects import People
from collector.store.reclassification import Reclassification
from tests.integration.rollups.test_community import insert, refresh
from tests.integration.rollups.test_compressed import compress, prepare, unpacked
from tests.oracle.outcomes import assert_outcomes
from tests.oracle.rollups import assert_equal
from tests.servers.fixtures import community_database
from tests.servers.proxy import Proxy
from tests.unit.events.entries import ACCEPTED, changed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.events.model.event import MailEvent
    from tests.integration.house import House
    from tests.servers.community import Community
    from tests.servers.given import GivenCommunity, GivenServer

pytestmark = pytest.mark.servers

COLUMNS: Final = ", ".join(Judgement._fields)
ROWS: Final = f"SELECT event_id, {COLUMNS} FROM mail_events ORDER BY event_id".encode()
DAY_MS: Final = 86_400_000
SINCE: Final = timedelta(days=29)

REPLIES: Final = [
    (case["reply"], case["mx"], case["category"])
    for case in map(
        json.loads,
        (Path(__file__).parents[2] / "fixtures" / "replies" / "labelled.jsonl").read_text().splitlines(),
    )
]

OLD_RULES: Final = b"""
UPDATE mail_events SET reason = CASE WHEN reason IS NULL THEN NULL WHEN reason = 'policy' THEN 'unknown_user' ELSE 'policy' END,
    bounce_kind = CASE WHEN bounce_kind IS NULL THEN NULL WHEN reason = 'policy' THEN 'hard' ELSE 'soft' END,
    provider = CASE WHEN provider IS NULL THEN NULL ELSE 'other' END, provider_code = NULL,
    response_pattern = 'old ' || response_pattern, enhanced_code = NULL
WHERE response IS NOT NULL AND hashtext(event_id) % 3 = 0
"""  # noqa: E501 - one SQL clause, as the server gets it
"""Changes a third of the rows, as if older rules had judged them."""


def entries(count: int) -> list[dict[str, Any]]:
    """Return entries of all labelled replies over eight days. One reply is longer than its column."""
    chance = random.Random(14)
    now = int(time.time() * 1000)
    made = []
    for number in range(count):
        reply, mx, category = REPLIES[number % len(REPLIES)]
        action = chance.choice(["REJECTED", "DEFERRED", "ACCEPTED"])
        made.append({
            "time": now - 3_600_000 - chance.randrange(8 * DAY_MS),
            "entry": changed(
                ACCEPTED, id=f"{number:018x}", action=action, category=category or ..., mx=mx or ...,
                response=reply + " and more" * 200 if number % 100 == 0 else reply,
            ),
        })  # fmt: skip
    return made


def decoded(count: int, pseudonyms: Pseudonyms | None = None) -> Any:
    """Return the assembled batch of these entries."""
    request = decode_body(
        json.dumps(entries(count)).encode(),
        received_at=int(time.time() * 1000),
        source=Source.PLUGIN,
        border=Border(pseudonyms=pseudonyms),
        request_id="ab",
    )
    assert not request.rejections
    return assemble([request], {})[0]


def fill(house: House, count: int, pseudonyms: Pseudonyms | None = None) -> list[tuple[Any, ...]]:
    """Store the entries, and make a third look old, roll-ups included. Return the rows of a new judgement."""
    assert len(house.store.write(decoded(count, pseudonyms)).new_events) == count
    fresh = house.connection.execute(ROWS).fetchall()
    house.connection.execute(OLD_RULES)
    house.connection.execute("INSERT INTO touched_buckets SELECT DISTINCT time FROM mail_events")
    house.roll_up(datetime.now(UTC))
    assert house.connection.execute(ROWS).fetchall() != fresh
    return fresh


def ask(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], dsn: str, *options: str
) -> tuple[int, str]:
    """Run the command."""
    monkeypatch.setenv("DUCKWATCH_COLLECTOR__DATABASE__DSN", dsn)
    capsys.readouterr()
    code = main(["reclassify", "--since", "29d", *options])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    return code, printed.out


@pytest.mark.parametrize("pseudonyms", [None, Pseudonyms(b"a secret of the tests")], ids=["plain", "pseudonyms"])
def test_rows_and_roll_ups_are_as_a_fresh_judgement_has_them(
    house: House,
    any_dsn: str,
    pseudonyms: Pseudonyms | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A dry run reports the changes without making them, a run makes them, and a second run finds none."""
    fresh = fill(house, 300, pseudonyms)
    old = house.connection.execute(ROWS).fetchall()
    code, dry = ask(monkeypatch, capsys, any_dsn, "--dry-run")
    assert code == 0
    assert house.connection.execute(ROWS).fetchall() == old
    wrong = sum(one != other for one, other in zip(old, fresh, strict=True))
    assert f"300 replies judged, {wrong} rows would change" in dry
    code, out = ask(monkeypatch, capsys, any_dsn)
    assert code == 0
    assert f"300 replies judged, {wrong} rows changed" in out
    was = sum(one[1] == "unknown_user" != two[1] == "policy" for one, two in zip(old, fresh, strict=True))
    assert f"reason            unknown_user  policy           {was:8}".split() in [
        line.split() for line in out.splitlines()
    ]
    assert house.connection.execute(ROWS).fetchall() == fresh
    house.roll_up(datetime.now(UTC))
    assert_equal(house.connection, but=("mail_stats_15s",))  # kept for three days only
    assert_outcomes(house.connection)
    assert "300 replies judged, 0 rows changed" in ask(monkeypatch, capsys, any_dsn)[1]


def test_a_row_of_which_only_the_pattern_changes_is_counted_by_its_new_one(
    house: House, any_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The roll-ups by pattern are as of fresh rows, and the pattern of before is not known any more."""
    house.store.write(decoded(100))
    house.connection.execute("UPDATE mail_events SET response_pattern = 'old ' || response_pattern")
    house.roll_up(datetime.now(UTC))
    known = "SELECT count(*), count(*) FILTER (WHERE response_pattern LIKE 'old %') FROM reply_patterns"
    before = house.connection.execute(known).fetchone()
    assert before is not None
    assert before[0] == before[1] > 0
    ask(monkeypatch, capsys, any_dsn)
    house.roll_up(datetime.now(UTC))
    assert house.connection.execute(known).fetchone() == (before[0], 0)
    assert_outcomes(house.connection)


def test_a_run_that_is_killed_is_finished_by_the_next(house: House, any_dsn: str) -> None:
    """A run after a killed one keeps its committed slices and finishes the rest."""
    fresh = fill(house, 1000)
    chance = random.Random(time.time_ns())
    command = [sys.executable, "-m", "collector", "reclassify", "--since", "29d"]
    environment = {**os.environ, "DUCKWATCH_COLLECTOR__DATABASE__DSN": any_dsn}
    for _ in range(3):
        running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert running.stderr is not None
        running.stderr.readline()  # the first line: it has begun
        time.sleep(chance.uniform(0, 0.5))
        running.kill()
        running.communicate()
    done = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    assert "1000 replies judged" in done.stdout
    assert house.connection.execute(ROWS).fetchall() == fresh
    house.roll_up(datetime.now(UTC))
    assert_equal(house.connection, but=("mail_stats_15s",))  # kept for three days only


def test_a_lost_reply_to_a_commit_changes_no_number(house: House, any_dsn: str) -> None:
    """After a lost reply to a COMMIT each changed row is reported once, and the run goes on."""
    fresh = fill(house, 300)
    old = house.connection.execute(ROWS).fetchall()
    wrong = sum(one != other for one, other in zip(old, fresh, strict=True))
    with Proxy(int(str(conninfo.conninfo_to_dict(any_dsn)["port"]))) as proxy:
        proxy.swallow_next_commit_reply(after=b"UPDATE mail_events")
        slices = list(Reclassification(conninfo.make_conninfo(any_dsn, port=proxy.port)).run(SINCE, is_dry=False))
        assert proxy.swallowed == 1
    assert sum(done.rows for done in slices) == 300
    assert sum(len(done.changes) for done in slices) == wrong
    assert house.connection.execute(ROWS).fetchall() == fresh


def test_a_reply_that_was_forgotten_keeps_its_judgement(house: House, any_dsn: str) -> None:
    """A row whose reply was removed by `subject forget` keeps its judgement."""
    fill(house, 50)
    recipient = house.connection.execute("SELECT recipient FROM mail_events LIMIT 1").fetchone()
    assert recipient is not None
    People(any_dsn).forget(Person.of(recipient[0], None))
    before = house.connection.execute(ROWS).fetchall()
    assert house.connection.execute("SELECT count(response) FROM mail_events").fetchone() == (0,)
    list(Reclassification(any_dsn).run(SINCE, is_dry=False))
    after = house.connection.execute(ROWS).fetchall()
    provider = Judgement._fields.index("provider") + 1
    for one, other in zip(before, after, strict=True):
        assert one[:provider] + one[provider + 1 :] == other[:provider] + other[provider + 1 :]


@pytest.fixture
def community(server_logs: Path, given: GivenServer | None) -> Iterator[Community | GivenCommunity]:
    """Yield a database of TimescaleDB Community without the schema."""
    yield from community_database(server_logs, given)


ROWS_COMPRESSED: Final = 1200


def test_compressed_rows_are_judged_anew(community: Community | GivenCommunity) -> None:
    """Compressed rows are judged again, can be compressed again, and the aggregates follow."""
    events: list[MailEvent] = [
        msgspec.structs.replace(event, time=event.time - 4 * DAY_MS) for event in decoded(ROWS_COMPRESSED).events
    ]
    with community.connect() as connection:
        prepare(connection)
        connection.commit()
        connection.autocommit = True
        insert(connection, events)
        fresh = connection.execute(ROWS).fetchall()
        connection.execute("SET timescaledb.max_tuples_decompressed_per_dml_transaction = 0")
        connection.execute(OLD_RULES)
        compress(connection)
        refresh(connection)
        assert unpacked(connection) == []
    changed_rows = sum(len(done.changes) for done in Reclassification(community.dsn).run(SINCE, is_dry=False))
    with community.connect(autocommit=True) as connection:
        assert changed_rows > ROWS_COMPRESSED // 5
        assert connection.execute(ROWS).fetchall() == fresh
        compress(connection)
        assert unpacked(connection) == []
        refresh(connection)
        assert_equal(connection)
