"""A real ZoneMTA with two sender processes, our plugin and a collector:
each delivered, deferred and bounced row has the number of its attempt.
"""

from __future__ import annotations

import contextlib
import smtplib
from typing import TYPE_CHECKING, Any

import pytest

from tests.oracle.comparison import read_rows
from tests.servers.collector import Collector
from tests.servers.fixtures import need
from tests.servers.process import wait_until
from tests.servers.redis import Redis
from tests.servers.secantus import Secantus
from tests.servers.sinks import Sinks
from tests.servers.zonemta import Options, ZoneMTA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.servers, pytest.mark.timeout(240)]

FAILURES = 4  # of a recipient until ZoneMTA gives up
DELIVERIES = {
    "ok": ["delivered 1"],
    "unknown": ["bounced 1"],
    "grey": ["deferred 1", "delivered 2"],
    "grey3": ["deferred 1", "deferred 2", "deferred 3", "delivered 4"],
    "slow": [*(f"deferred {number}" for number in range(1, FAILURES + 1)), f"bounced {FAILURES + 1}"],
}
"""What a recipient's name makes the sinks answer (zonemta/sinks.js): the actions and their attempts."""


@pytest.fixture
def zonemta(postgres_dsn: str, tmp_path: Path, server_logs: Path) -> Iterator[ZoneMTA]:
    """It delivers to sinks, and its plugin sends to a collector of that database."""
    sinks = need(lambda: Sinks(tmp_path, server_logs))
    redis = need(lambda: Redis(server_logs))
    mongo = need(lambda: Secantus(tmp_path / "mongo", server_logs))
    collector = Collector(tmp_path / "collector", server_logs, postgres_dsn)
    plugin = {
        "url": f"{collector.url}/api/events/ingest",
        "token": Collector.token,
        "spool": str(tmp_path / "spool"),
        "batchAge": 100,
    }
    options = Options(
        plugin=plugin, checks=False, zones=("default", "bounces"), senders=2, defer_times=[500] * FAILURES
    )
    mta = need(lambda: ZoneMTA(tmp_path / "zonemta", server_logs, sinks, mongo.uri("zone-mta"), redis.port, options))
    with contextlib.ExitStack() as stack:
        for server in (sinks, redis, mongo, collector, mta):
            stack.callback(server.stop)
            server.start()
        yield mta


def send(zonemta: ZoneMTA, recipients: list[str]) -> None:
    """One message to all of them."""
    with smtplib.SMTP("127.0.0.1", zonemta.port, timeout=20) as session:
        session.sendmail("ops@app.example", recipients, "Subject: x\r\n\r\nHello.")


def ended(dsn: str) -> dict[str, list[str]]:
    """By recipient, what the attempts came to: action and number, in order of time."""
    found: dict[str, list[str]] = {}
    rows: list[dict[str, Any]] = sorted(read_rows(dsn), key=lambda row: row["time"])
    for row in rows:
        if row["direction"] == "outbound" and row["action"] in ("delivered", "deferred", "bounced"):
            found.setdefault(row["recipient"], []).append(f"{row['action']} {row['attempt']}")
    return found


def test_each_end_has_its_attempt(zonemta: ZoneMTA, postgres_dsn: str) -> None:
    """Accepted at once, bounced at once, deferred and then accepted, given up; alone, and as recipients of one message,
    which one of two processes fetches at each attempt.
    """
    alone = {f"{fate}.alone@corp.example": fate for fate in DELIVERIES}
    together = {f"{fate}.together{number}@gmail.example": fate for fate in DELIVERIES for number in range(3)}
    for recipient in alone:
        send(zonemta, [recipient])
    send(zonemta, list(together))
    wanted = {recipient: DELIVERIES[fate] for recipient, fate in (alone | together).items()}
    wait_until(lambda: zonemta.queued() == 0, "ZoneMTA's queue is empty", 120, every=0.5)
    wait_until(lambda: ended(postgres_dsn).keys() == wanted.keys(), "every recipient has a row", 30, every=0.5)
    wait_until(lambda: ended(postgres_dsn) == wanted, lambda: differing(wanted, ended(postgres_dsn)), 30, every=0.5)
    identities = [row["event_id"] for row in read_rows(postgres_dsn) if row["action"] in ("delivered", "bounced")]
    assert all(name.endswith((":delivered", ":bounced")) for name in identities)
    senders = {record["pid"] for record in zonemta.recorded() if record["entry"]["action"] in ("ACCEPTED", "DEFERRED")}
    assert len(senders) > 1


def differing(wanted: dict[str, list[str]], found: dict[str, list[str]]) -> str:
    """Say which recipients' rows are others."""
    others = [who for who in wanted if found.get(who) != wanted[who]]
    return "\n".join(f"{who}: expected {wanted[who]}, found {found.get(who)}" for who in others)
