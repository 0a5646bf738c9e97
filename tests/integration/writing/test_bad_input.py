"""Bad input to a real collector on a real PostgreSQL gets the right answer, and good events beside it are stored."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import time
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests import canaries
from tests.canaries import CANARY
from tests.servers.collector import Collector
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.postgres import PostgresCluster

MIB = 1 << 20
GROWTH_BYTES = 64 * MIB
PEAK_BYTES = 250 * MIB
READ_TIMEOUT_SECONDS = 2

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Border:
    """A collector and its table."""

    def __init__(self, collector: Collector, dsn: str) -> None:
        self.collector = collector
        self.dsn = dsn

    @contextmanager
    def connection(self) -> Iterator[HTTPConnection]:
        connection = HTTPConnection("127.0.0.1", self.collector.port, timeout=60)
        try:
            yield connection
        finally:
            connection.close()

    def post(self, body: bytes | Iterator[bytes], *, token: str | None = Collector.token, **headers: str) -> Answer:
        """Send one request on a new connection. An iterator is sent in chunks, without a length."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            named.setdefault("Authorization", f"Bearer {token}")
        with self.connection() as connection:
            try:
                connection.request(
                    "POST", "/api/events/ingest", body, named, encode_chunked=not isinstance(body, bytes)
                )
            except ConnectionError:
                # The server refused it in the middle of its body, but has sent an answer.
                response = HTTPResponse(connection.sock)
                response.begin()
            else:
                response = connection.getresponse()
            answer = Answer(response.status, response.read(), dict(response.getheaders()))
        canaries.hear("answer", answer.body)
        assert CANARY.encode() not in answer.body
        return answer

    def send_good(self) -> str:
        """Send one good event. Return its queue id."""
        queue_id = f"good{next(_numbers)}"
        answer = self.post(json.dumps([event(id=queue_id)]).encode())
        assert (answer.status, answer.json) == (202, {"accepted": 1, "rejected": []})
        return queue_id

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(sql.encode(), values).fetchall()

    def row(self, queue_id: str, columns: str) -> tuple[Any, ...]:
        """Wait for the only row of a queue id, and return it."""
        sql = f"SELECT {columns} FROM mail_events WHERE queue_id = %s"
        wait_until(lambda: self.query(sql, queue_id), f"{queue_id} in the table", seconds=30)
        (row,) = self.query(sql, queue_id)
        return row

    def memory(self, name: str = "VmRSS") -> int:
        """Return the memory of the process in bytes (`VmHWM`: its peak)."""
        status = Path(f"/proc/{self.collector.pid}/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(name))


def event(**entry: Any) -> dict[str, Any]:
    """Return a good event with the present time."""
    return {"time": time.time_ns() // 1_000_000, "context": "sender", "entry": {"action": "QUEUED", **entry}}


@pytest.fixture(scope="module")
def border(postgres: PostgresCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Border]:
    """Yield one collector for all tests, so that damage by one would be seen in the next."""
    dsn = postgres.create_database()
    folder = tmp_path_factory.mktemp("border")
    limits = {"read_timeout": f"{READ_TIMEOUT_SECONDS}s", "body_bytes": "1MiB", "inflight_bytes": "8MiB"}
    collector = Collector(folder, folder, dsn, {"limits": limits, "privacy": {"subject": "hmac", "secret": CANARY}})
    collector.start()
    attacked = Border(collector, dsn)
    wait_until(lambda: attacked.query("SELECT to_regclass('mail_events')") != [(None,)], "the schema")
    yield attacked
    assert collector.stop() == 0
    log = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.log"))
    assert CANARY not in log
    for line in log.splitlines():
        assert "error" not in json.loads(line), line
    postgres.drop_database(dsn)


@pytest.fixture
def under_attack(border: Border) -> Iterator[Border]:
    """Assert that good events before and after the block are stored once, and that memory has not grown."""
    first = border.send_good()
    border.row(first, "1")
    before = border.memory()
    yield border
    last = border.send_good()
    for good in (first, last):
        border.row(good, "1")
    assert border.memory() - before < GROWTH_BYTES
    assert border.memory("VmHWM") < PEAK_BYTES


def nothing_stored(border: Border) -> None:
    """Assert that no row and no dead letter holds the canary."""
    last = border.send_good()
    border.row(last, "1")
    assert border.query("SELECT count(*) FROM mail_events e WHERE e::text LIKE %s", f"%{CANARY}%") == [(0,)]


UNREADABLE = {
    "nothing": b"",
    "white space": b" \r\n\t ",
    "cut off": b'[{"time": 1, "entry": {"action": "' + CANARY.encode(),
    "not JSON": b"<xml>" + CANARY.encode() + b"</xml>",
    "a string": b'"' + CANARY.encode() + b'"',
    "a number": b"7391",
    "null": b"null",
    "true": b"true",
    "an empty list": b"[]",
    "no objects": b'[1, "' + CANARY.encode() + b'", null, [], true]',
    "events of a wrong type": b'{"events": "' + CANARY.encode() + b'"}',
    "an empty object in a list's place": b'{"events": {}}',
    "100,000 deep lists": b"[" * 100_000 + b"]" * 100_000,
    "100,000 deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "100,000 deep, never closed": b'[{"a":' * 50_000,
    "deep within an entry": b'[{"time": 1, "entry": {"action": "QUEUED", "x": '
    + b"[" * 100_000
    + b"]" * 100_000
    + b"}}]",
    "random bytes": bytes(range(256)) * 1000,
    "NULs": b"\0" * 500_000,
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_a_body_that_nothing_can_be_read_from_is_400(under_attack: Border, body: bytes) -> None:
    """An unreadable body is 400 each time, and nothing of it is stored or quoted."""
    for _ in range(10):
        answer = under_attack.post(body)
        assert answer.status == 400
        assert set(answer.json) == {"error"}
    nothing_stored(under_attack)


DAY = 86_400_000
BAD_EVENTS: dict[str, tuple[Any, str]] = {
    "not an object": (CANARY, "not_an_event"),
    "a list": ([CANARY], "not_an_event"),
    "an entry of a wrong type": ({"time": 1, "entry": CANARY}, "not_an_event"),
    "without an action": (event(action=None), "no_action"),
    "an action of a wrong type": (event(action={"x": CANARY}), "no_action"),
    "without a time": (event() | {"time": None}, "no_time"),
    "a time of a wrong type": (event() | {"time": CANARY}, "no_time"),
    "a time in 1970": (event() | {"time": 0}, "time_too_old"),
    "a time before 1970": (event() | {"time": -(10**15)}, "time_too_old"),
    "a time of two months ago": (event() | {"time": time.time_ns() // 1_000_000 - 60 * DAY}, "time_too_old"),
    "a time in 2100": (event() | {"time": 4_102_444_800_000}, "time_ahead"),
    "a time beyond 64 bits": (event() | {"time": 10**30}, "time_ahead"),
    "nested 900 deep": (event(x=json.loads("[" * 900 + "]" * 900)), "not_an_event"),
}


@pytest.mark.parametrize(("bad", "reason"), BAD_EVENTS.values(), ids=BAD_EVENTS)
def test_one_bad_event_among_good_ones_costs_only_itself(under_attack: Border, bad: Any, reason: str) -> None:
    """One bad event becomes a dead letter and is named in the answer; the good ones beside it are stored."""
    good = [f"beside{next(_numbers)}" for _ in range(2)]
    letters = "SELECT count(*) FROM dead_letters WHERE reason = %s"
    ((before,),) = under_attack.query(letters, reason)
    body = json.dumps([event(id=good[0]), bad, event(id=good[1])]).encode()
    answer = under_attack.post(body)
    assert (answer.status, answer.json["accepted"]) == (202, 2)
    assert [one["index"] for one in answer.json["rejected"]] == [1]
    for queue_id in good:
        under_attack.row(queue_id, "1")
    wait_until(lambda: under_attack.query(letters, reason) == [(before + 1,)], "the dead letter")


def test_one_bad_line_among_good_ones_costs_only_itself(under_attack: Border) -> None:
    """One bad line of NDJSON (no JSON, or nested too deeply) costs only itself."""
    good = f"line{next(_numbers)}"
    lines = [b"{" + CANARY.encode(), b"[" * 100_000, json.dumps(event(id=good)).encode(), b"\xff\xfe"]
    answer = under_attack.post(b"\n".join(lines))
    assert (answer.status, answer.json["accepted"]) == (202, 1)
    assert [one["index"] for one in answer.json["rejected"]] == [0, 1, 3]
    under_attack.row(good, "1")


ODD_FIELDS: dict[str, tuple[dict[str, Any], str, Any]] = {
    "NUL": ({"zone": "a\0b"}, "zone", "a\ufffdb"),
    "NUL in what no column holds": ({"extra": {"a\0": ["\0"]}}, "raw::jsonb->>'extra'", '{"a\ufffd": ["\ufffd"]}'),
    "a lone surrogate": ({"zone": "a\ud800b"}, "zone", "a\ufffdb"),
    "an integer beyond 64 bits": ({"size": 10**40}, "size_bytes", None),
    "an integer beyond 32 bits": ({"timer": 2**40, "defcount": 2**31}, "(smtp_ms, attempt)::text", "(,)"),
    "the largest integers": (
        {"size": 2**63 - 1, "timer": 2**31 - 1},
        "(size_bytes, smtp_ms)::text",
        f"({2**63 - 1},{2**31 - 1})",
    ),
    "scores that no `real` holds": ({"score": 1e308}, "spam_score", None),
    "a score too small for a `real`": ({"score": "1e-320"}, "spam_score", None),
    "a negative size": ({"size": -1}, "size_bytes", None),
    "wrong types": (
        {"size": "big", "timer": [], "tlsVersion": {}, "zone": 5, "seq": None},
        "(size_bytes, smtp_ms, zone)::text",
        "(,,)",
    ),
    "a Message-ID of 4,000 characters": (
        {"message-id": "<" + "x" * 3998 + ">"},
        "(length(message_id), length(raw::jsonb->>'message-id'))::text",
        "(1000,4000)",
    ),
    "a reply of 500 KB": (
        {"response": "550 5.1.1 " + "x" * 500_000},
        "(length(response), smtp_code)::text",
        "(1000,550)",
    ),
    "markup and SQL": (
        {"zone": "'; DROP TABLE mail_events; --<script>%s\\"},
        "zone",
        "'; DROP TABLE mail_events; --<script>%s\\",
    ),
    "COPY's own signs": ({"zone": "\\N\t\\.\n\r\\x00"}, "zone", "\\N\t\\.\n\r\\x00"),
    "right to left and other planes": ({"zone": "\u202e\U0001f986\uffff"}, "zone", "\u202e\U0001f986\uffff"),
}


@pytest.mark.parametrize(("entry", "column", "value"), ODD_FIELDS.values(), ids=ODD_FIELDS)
def test_an_odd_value_is_stored_as_far_as_a_column_can(
    under_attack: Border, entry: dict[str, Any], column: str, value: Any
) -> None:
    """An event with an odd value is stored, with as much of the value as the column can hold."""
    queue_id = f"odd{next(_numbers)}"
    answer = under_attack.post(json.dumps([event(id=queue_id, **entry)]).encode())
    assert (answer.status, answer.json) == (202, {"accepted": 1, "rejected": []})
    assert under_attack.row(queue_id, column) == (value,)


def test_a_report_that_is_off_holds_nothing_up(under_attack: Border) -> None:
    """A heartbeat with an impossible time or count is stored as far as possible, with the events beside it."""
    queue_id = f"reported{next(_numbers)}"
    plugin = {"process": queue_id, "spool_bytes": 1e300, "oldest_unsent": 2**63 - 1, "dropped": -1}
    answer = under_attack.post(json.dumps({"host": "odd", "plugin": plugin, "events": [event(id=queue_id)]}).encode())
    assert answer.status == 202
    under_attack.row(queue_id, "1")
    assert under_attack.query("SELECT dropped FROM plugin_reports WHERE process = %s", queue_id) == [(0,)]
    assert under_attack.collector.total("duckwatch_store_errors_total") == 0


def hundred_megabytes() -> Iterator[bytes]:
    piece = (f'[{{"{CANARY}": "' + "x" * 65_500).encode()
    return (piece for _ in range(1600))


def test_100_mb_are_413_with_and_without_a_length(under_attack: Border) -> None:
    """A body of 100 MB is refused with 413 at once if announced, else when it passes the limit."""
    whole = b"".join(hundred_megabytes())
    for _ in range(2):
        assert under_attack.post(whole).status == 413
        assert under_attack.post(hundred_megabytes()).status == 413


def bomb(inflated_mib: int) -> bytes:
    """Return a gzip file of that unpacked size, made of one repeated megabyte."""
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    block = packer.compress(b" " * MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(b"")[:10] + block * inflated_mib


def test_a_gzip_bomb_is_413(under_attack: Border) -> None:
    """A gzip body of 900 KB that unpacks to almost a gigabyte is 413."""
    packed = bomb(850)
    assert len(packed) < MIB
    for _ in range(20):
        assert under_attack.post(packed, Content_Encoding="gzip").status == 413


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", CANARY.encode() * 100, 400),
        ("gzip", gzip.compress(b"[{}]", mtime=0)[:-4], 400),
        ("gzip", gzip.compress(b"", mtime=0) * 10_000, 400),
        ("br", CANARY.encode(), 415),
        ("deflate", zlib.compress(b"[]"), 415),
        ("gzip, gzip", gzip.compress(gzip.compress(b"[]", mtime=0), mtime=0), 415),
    ],
)
def test_other_and_broken_encodings_are_refused(under_attack: Border, encoding: str, body: bytes, status: int) -> None:
    """Other and broken encodings are refused quickly."""
    for _ in range(5):
        assert under_attack.post(body, Content_Encoding=encoding).status == status


@pytest.mark.parametrize(
    "header",
    [
        None,
        f"Bearer {CANARY}",
        f"Bearer {Collector.token}{CANARY}",
        "Bearer",
        Collector.token,
        "Basic " + base64.b64encode(f"{Collector.token}:{CANARY}".encode()).decode(),
        "Basic ====",
    ],
)
def test_wrong_and_missing_credentials_are_401_and_store_nothing(under_attack: Border, header: str | None) -> None:
    """Wrong or missing credentials are 401 and store nothing, whatever the body."""
    headers = {} if header is None else {"Authorization": header}
    for body in (json.dumps([event(id=CANARY)]).encode(), b" " * 5_000_000):
        answer = under_attack.post(body, token=None, **headers)
        assert answer.status == 401
        assert "Basic" in answer.headers["WWW-Authenticate"]
    nothing_stored(under_attack)


def test_too_many_bytes_in_flight_are_503_and_the_rest_are_taken(under_attack: Border) -> None:
    """With too many announced bytes in flight, others get 503 with Retry-After, and are accepted later."""
    held = []
    for _ in range(8):
        slow = socket.create_connection(("127.0.0.1", under_attack.collector.port), timeout=30)
        slow.sendall(head(f"Content-Length: {MIB}") + b"[")
        held.append(slow)
    answers: list[Answer] = []

    def is_refused() -> bool:
        answers.append(under_attack.post(b"[0, {}]"))
        return answers[-1].status == 503

    wait_until(is_refused, "503")
    assert int(answers[-1].headers["Retry-After"]) >= 1
    for slow in held:
        slow.close()
    wait_until(lambda: under_attack.post(b"[0, {}]").status == 202, "room again")


def head(*headers: str) -> bytes:
    lines = (
        "POST /api/events/ingest HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {Collector.token}",
        *headers,
        "",
        "",
    )
    return "\r\n".join(lines).encode()


def test_slow_clients_are_sent_away_and_hold_up_nobody(under_attack: Border) -> None:
    """Two hundred slow clients delay no other: those with a slow body get 408, those with a slow head stay harmless."""
    bodies: list[socket.socket] = []
    heads: list[socket.socket] = []
    for index in range(200):
        slow = socket.create_connection(("127.0.0.1", under_attack.collector.port), timeout=30)
        slow.sendall(head("Content-Length: 1000") + b"[" if index % 2 else b"POST /api/events/ingest HTTP/1.1\r\nX: ")
        (bodies if index % 2 else heads).append(slow)
    for _ in range(10):
        for slow in (*bodies, *heads):
            slow.sendall(b" ")
        under_attack.send_good()
    for slow in bodies:
        assert slow.recv(4096).startswith(b"HTTP/1.1 408 ")
        slow.close()
    for slow in heads:
        slow.close()


def test_clients_that_leave_in_the_middle_leave_nothing(under_attack: Border) -> None:
    """Clients that leave in the middle of a body leave no row and no counted bytes."""
    body = json.dumps([event(id=CANARY)]).encode()
    for _ in range(100):
        for sent in (
            head(f"Content-Length: {len(body) + 1}") + body,
            head("Transfer-Encoding: chunked") + b"5\r\n[",
            b"POST",
        ):
            gone = socket.create_connection(("127.0.0.1", under_attack.collector.port), timeout=30)
            gone.sendall(sent)
            # Linger 0 resets the connection instead of closing it.
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            gone.close()
    nothing_stored(under_attack)


def test_what_is_not_http_is_refused(under_attack: Border) -> None:
    """TLS on the plain port, smuggled lengths, and endless headers or request lines are refused."""
    attacks = [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + CANARY.encode() * 9 + b"\r\n\r\n", b"400"),
        (head("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n" + CANARY.encode(), b"400"),
        (head("Content-Length: 5", "Content-Length: 6"), b"400"),
        (
            b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, CANARY.encode()) for n in range(1000)) + b"\r\n",
            b"431",
        ),
        (b"GET /" + CANARY.encode() * 2000 + b" HTTP/1.1\r\n\r\n", b"414"),
    ]
    for attack, status in attacks * 5:
        with socket.create_connection(("127.0.0.1", under_attack.collector.port), timeout=30) as line:
            line.sendall(attack)
            said = b""
            try:
                while part := line.recv(65536):
                    said += part
            except ConnectionError:
                pass
        assert said.split(b" ", 2)[1] == status
        assert CANARY.encode() not in said
