"""The backup sources over the network: a running collector holds their events, one for each slot."""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import psycopg
import pytest

from collector.config.model import RetentionSettings
from collector.events.border.decoding import Border, take
from collector.events.border.request_body import Body
from collector.events.model.event import Source
from collector.events.model.precedence import slots_of
from collector.events.sources import authlog
from collector.events.sources.gelf import ACTIONS, FIELDS
from collector.events.sources.zonemta import mail_event
from collector.jobs import RollUp
from collector.jobs.scheduler import LOCK_KEY
from collector.store.backup.reconciliation import DecisionInput, Reconciler
from tests.canaries import TOKEN
from tests.hostile import values
from tests.hostile.inputs import mutate
from tests.oracle.gelf import mail_message
from tests.oracle.recording import FIXTURES, read_lines, read_recording
from tests.oracle.rollups import assert_equal
from tests.servers import installed
from tests.servers.collector import Collector
from tests.servers.fixtures import need
from tests.servers.gelf import PACKINGS, chunked, send_datagrams, send_frames
from tests.servers.process import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = int(os.environ.get("DUCKWATCH_CRASH_ROUNDS", "3"))
HOSTILE_INPUTS = 400
POSTER = Path(__file__).parents[2] / "servers" / "zonemta" / "post_bounces.js"
HTTP_BOUNCE = "node_modules/@zone-eu/zone-mta/plugins/core/http-bounce.js"


class GelfCollector:
    """A collector that takes GELF, and the held events in its database."""

    def __init__(self, folder: Path, logs: Path, dsn: str) -> None:
        self.udp, self.tcp, self._dsn = free_port(), free_port(), dsn
        gelf = {"udp": f"127.0.0.1:{self.udp}", "tcp": f"127.0.0.1:{self.tcp}", "cluster": "eu1"}
        self.collector = Collector(folder, logs, dsn, {"gelf": gelf})
        self.collector.start()
        wait_until(lambda: self.collector.trouble() == {}, "it writes")

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    def settled(self) -> list[tuple[Any, ...]]:
        """Wait until the journal is empty, and return the held rows. None is stored yet."""
        wait_until(lambda: not self.collector.total("duckwatch_journal_requests"), "all is written", seconds=120)
        assert self.execute("SELECT count(*) FROM mail_events") == [(0,)]
        assert self.execute("SELECT count(*) FROM dead_letters") == [(0,)]
        return self.execute("SELECT cluster, queue_id, seq, slot, source FROM held_events ORDER BY 1, 2, 3, 4, 5")

    def gelf(self, result: str) -> float:
        found = self.collector.metrics()["duckwatch_gelf_messages_total"]
        return sum(value for labels, value in found.items() if dict(labels)["result"] == result)


@pytest.fixture
def held(postgres_dsn: str, tmp_path: Path, server_logs: Path) -> Iterator[GelfCollector]:
    """Yield a running collector on an empty database. Its jobs do not run, so that events stay held."""
    with psycopg.connect(postgres_dsn, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        made = GelfCollector(tmp_path / "collector", server_logs, postgres_dsn)
        yield made
        made.collector.stop()
        decide(other)


def decide(connection: psycopg.Connection) -> None:
    """Store all held events, as the jobs do when they are due, and assert that the roll-ups equal the rows."""
    later = datetime.now(UTC) + timedelta(hours=2)
    while Reconciler().reconcile(connection, DecisionInput(later, {}, None)).due:
        pass
    for _ in range(2):
        RollUp(RetentionSettings()).run(connection, datetime.now(UTC), lambda: False)
    assert_equal(connection)


def post(url: str, bounces: list[dict[str, Any]]) -> None:
    """Post bounces by ZoneMTA's own plugin."""
    node = need(installed.node)
    plugin = need(installed.zonemta) / HTTP_BOUNCE
    lines = "".join(f"{json.dumps(bounce)}\n" for bounce in bounces)
    ended = subprocess.run(
        [node, POSTER, plugin, url], input=lines, capture_output=True, text=True, timeout=240, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_recorded_bounces_posted_by_zonemtas_own_plugin(held: GelfCollector) -> None:
    """Recorded bounces posted by ZoneMTA's plugin, with credentials in the URL, are held once each."""
    now = time.time_ns() // 1_000_000
    bounces = [line["bounce"] | {"time": now} for line in read_lines(FIXTURES / "zonemta-queue-bounce.jsonl")]
    url = f"{held.collector.url_with_token}/api/events/bounce"
    post(url, bounces)
    expected = sorted(("eu1", one["id"], one["seq"], "end", "bounce") for one in bounces)
    assert held.settled() == expected
    post(url, bounces)
    assert held.settled() == expected
    assert held.collector.total("duckwatch_ingest_duplicates_total") == len(bounces) == 158
    reasons = held.execute("SELECT event ->> 'reason', count(*)::int FROM held_events GROUP BY 1")
    rejected = [one["entry"] for one in read_recording() if one["entry"]["action"] == "REJECTED"]
    told = {(one["id"], one["seq"]) for one in bounces}
    assert dict(reasons) == _reasons([one for one in rejected if (one["id"], one["seq"]) in told])


def _reasons(entries: list[dict[str, Any]]) -> dict[str, int]:
    """Return the plugin's rejections, counted by reason."""
    found: dict[str, int] = {}
    for entry in entries:
        reason = str(_row(entry, 1_795_495_100_000).reason)
        found[reason] = found.get(reason, 0) + 1
    return found


def _row(entry: dict[str, Any], time_ms: int) -> Any:
    item = {"time": time_ms, "entry": dict(entry)}
    request = take(
        Body([item], {}, is_clean=False), received_at=time_ms, source=Source.PLUGIN, border=Border(bound_cluster="eu1")
    )
    return mail_event(request.entries[0], source=Source.PLUGIN, received_at=time_ms, public_ips={})


def test_gelf_in_every_packing_over_udp_and_tcp(held: GelfCollector) -> None:
    """GELF in each packing over UDP and TCP fills the same slots as the plugin's events, and WildDuck's logins are
    taken.
    """
    now = time.time_ns() // 1_000_000
    entries = [record["entry"] for record in read_recording()]
    told = [(entry, message) for entry in entries if (message := mail_message(entry, now)) is not None]
    texts = [json.dumps(message).encode() for _, message in told]
    ways = [[pack(text) for text in texts[n::5]] for n, pack in enumerate(PACKINGS.values())]
    ways.append([chunk for text in texts[3::5] for chunk in chunked(PACKINGS["zlib"](text), 100)[::-1]])
    of_wildduck = [line["gelf"] for line in read_lines(FIXTURES / "wildduck-gelf.jsonl")]
    logins = [message for message in of_wildduck if authlog.logged(message, now) is not None]
    others = [json.dumps(message).encode() for message in of_wildduck]
    sent = 0
    for number, way in enumerate([*ways, others]):
        send_datagrams(held.udp, way)
        sent += len(others) if way is others else len(texts[number::5])
        wait_until(lambda: held.gelf("taken") + held.gelf("ignored") == sent, "all have come")  # noqa: B023  # waited for at once
    send_frames(held.tcp, [message for _, message in told[4::5]])
    wait_until(lambda: held.gelf("taken") == len(told) + len(logins) == 1852 + 8, "all have come")
    assert held.gelf("ignored") == len(others) - len(logins)
    slots = {("eu1", *slots_of(_row(entry, now))[0][1:], "gelf") for entry, _ in told}
    assert held.settled() == sorted(slots)
    assert held.execute("SELECT count(*) FROM auth_events") == [(len(logins),)]
    assert held.collector.total("duckwatch_ingest_events_total") == len(told) + len(logins)


def delivered(number: int) -> bytes:
    return json.dumps(
        {"_mail_action": "accepted", "_queue_id": f"q{number}", "_queue_id_seq": "001", "_to": "a@b.example"}
    ).encode()


def test_what_was_journalled_is_held_after_a_kill(held: GelfCollector) -> None:
    """Messages that count as taken are on disk: after a kill without database they are held."""
    held.execute("ALTER TABLE held_events RENAME TO away")
    send_datagrams(held.udp, [delivered(n) for n in range(300)])
    wait_until(lambda: held.gelf("taken") == 300, "all have come")
    held.collector.kill()
    held.execute("ALTER TABLE away RENAME TO held_events")
    held.collector.start()
    assert [row[1] for row in held.settled()] == sorted(f"q{n}" for n in range(300))


def test_kills_in_mid_stream(held: GelfCollector) -> None:
    """Kills under load lose no message that counted as taken."""
    seed = int(os.environ.get("DUCKWATCH_CRASH_SEED", str(random.SystemRandom().randrange(2**32))))
    print(f"DUCKWATCH_CRASH_SEED={seed}")
    dice = random.Random(seed)
    stop, sent = threading.Event(), 0

    def stream() -> None:
        nonlocal sent
        while not stop.wait(0.002):
            send_datagrams(held.udp, [delivered(n) for n in range(sent, sent + 5)])
            sent += 5

    sender = threading.Thread(target=stream)
    sender.start()
    try:
        taken = 0.0
        for _ in range(ROUNDS):
            time.sleep(dice.uniform(0.3, 1.5))  # the moment of the kill
            wait_until(lambda: held.gelf("taken") > 0, "it takes")
            taken += held.gelf("taken")
            held.collector.kill()
            held.collector.start()
        wait_until(lambda: held.gelf("taken") > 0, "it takes again")
    finally:
        stop.set()
        sender.join()
    names = [row[1] for row in held.settled()]
    assert set(names) <= {f"q{n}" for n in range(sent)}
    assert len(names) >= taken + held.gelf("taken")


def hostile_message(dice: random.Random) -> bytes:
    """Return a delivery with some wrong fields."""
    message: dict[str, Any] = {
        "_mail_action": dice.choice(sorted(ACTIONS)),
        "_queue_id": f"h{dice.getrandbits(32)}" if dice.random() < 0.7 else values.text(dice),
        "timestamp": values.stamp(dice, time.time_ns() // 1_000_000),
        "_subject": values.CANARY,
    }
    for _ in range(dice.randrange(8)):
        message[dice.choice([*FIELDS, "host", "short_message", "_tls", "_subject"])] = values.value(dice)
    text = json.dumps(message, ensure_ascii=dice.random() < 0.7).encode("utf-8", "surrogatepass")
    return PACKINGS["zlib"](text)


def hostile_form(dice: random.Random) -> bytes:
    """Return a bounce with some wrong, doubled or missing fields."""
    names = ("id", "seq", "to", "returnPath", "category", "time", "response", "fbl", "sessionId", "x", "")
    pairs = [("id", f"h{dice.getrandbits(32)}")] if dice.random() < 0.8 else []
    pairs += [(dice.choice(names), values.text(dice)) for _ in range(dice.randrange(12))]
    form = urlencode([(name, text.encode("utf-8", "surrogatepass")) for name, text in pairs]).encode()
    return mutate(dice, form) if dice.random() < 0.3 else form


def test_hostile_input_is_held_or_set_aside(held: GelfCollector) -> None:
    """Hostile input is held, a duplicate, or a dead letter of the border; the database refuses none."""
    seed = int(os.environ.get("DUCKWATCH_HOSTILE_SEED", str(random.SystemRandom().randrange(2**32))))
    print(f"DUCKWATCH_HOSTILE_SEED={seed}")
    dice = random.Random(seed)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for number in range(HOSTILE_INPUTS):
        send_datagrams(held.udp, [hostile_message(dice), mutate(dice, hostile_message(dice))])
        answer = held.collector.ask("/api/events/bounce", hostile_form(dice), headers)
        assert answer.status in {202, 400, 413}, number
    wait_until(
        lambda: held.collector.total("duckwatch_gelf_messages_total") == 2 * HOSTILE_INPUTS, "all have come", seconds=60
    )
    wait_until(lambda: not held.collector.total("duckwatch_journal_requests"), "all is written", seconds=120)
    assert held.gelf("overloaded") == held.gelf("overrun") == 0
    refused = "SELECT error, raw FROM dead_letters WHERE reason IN ('bad_row', 'unread') LIMIT 5"
    assert held.execute(refused) == []
    ((rows, letters, stored),) = held.execute(
        "SELECT (SELECT count(*) FROM held_events), (SELECT count(*) FROM dead_letters), "
        "(SELECT count(*) FROM mail_events)"
    )
    assert stored == 0
    assert held.collector.total("duckwatch_ingest_rejected_total") == letters > 0
    repeated = held.collector.total("duckwatch_ingest_duplicates_total")
    assert held.collector.total("duckwatch_ingest_events_total") == rows + repeated
    assert held.execute(f"SELECT count(*) FROM held_events h WHERE h::text LIKE '%{values.CANARY}%'") == [(0,)]
