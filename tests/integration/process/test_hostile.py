"""Generated hostile HTTP input to a running collector: right answers, constant memory, no good event lost.

Run by `make hostile INPUTS=1000000`. The seed is printed; `DUCKWATCH_HOSTILE_SEED` sets it.
`DUCKWATCH_HOSTILE_FIRST=n` with `DUCKWATCH_HOSTILE_INPUTS=1` sends only input `n`.
"""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.hostile.campaign import Campaign
from tests.hostile.inputs import SECRET
from tests.hostile.values import CANARY
from tests.oracle.rollups import assert_rolled_up
from tests.servers.collector import Collector
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from pathlib import Path

INPUTS = int(os.environ.get("DUCKWATCH_HOSTILE_INPUTS", "5000"))
FIRST = int(os.environ.get("DUCKWATCH_HOSTILE_FIRST", "0"))

MIB = 1 << 20
WARM_INPUTS = 50_000
GROWTH_BYTES = 48 * MIB
PEAK_BYTES = 400 * MIB
PAGE_BYTES = 2 * MIB
"""Most bytes of /metrics, whose labels are bounded."""

pytestmark = pytest.mark.timeout(180 + INPUTS // 100)


AUTH = {"tokens": [{"token": Collector.token, "cluster": "eu1"}], "hmac_secrets": [f"whsec_{SECRET}"]}
PRIVACY = {
    "as it comes": {},
    "pseudonymise": {"pseudonymise": True, "subject": "hmac", "secret": "a-secret-of-at-least-32-characters"},
}


@pytest.mark.parametrize("privacy", PRIVACY.values(), ids=PRIVACY)
async def test_hostile_input_gets_its_answer_and_harms_nothing(
    postgres_dsn: str, tmp_path: Path, privacy: dict[str, Any]
) -> None:
    """Hostile input gets no 5xx but 503, every good event is stored once, none vanishes, and no secret leaks."""
    seed = int(os.environ.get("DUCKWATCH_HOSTILE_SEED", str(random.SystemRandom().randrange(2**32))))
    print(f"DUCKWATCH_HOSTILE_SEED={seed}")
    settings = {"limits": {"read_timeout": "5s"}, "auth": AUTH, "privacy": privacy}
    collector = Collector(tmp_path, tmp_path, postgres_dsn, settings)
    collector.start()
    campaign = Campaign(collector, seed, FIRST, INPUTS)
    await campaign.run()
    for (kind, status), count in sorted(campaign.answers.items()):
        print(f"{count:>9} {kind}: {status or 'closed'}")
    wait_until(lambda: collector.total("duckwatch_journal_requests") == 0, "all is written", seconds=120)
    assert campaign.faults == []
    assert_flat(campaign.memory)
    assert_kept(collector, postgres_dsn, campaign.good)
    assert_clean(collector, postgres_dsn)
    assert_rolled_up(postgres_dsn)
    assert collector.stop() == 0


def assert_flat(samples: list[tuple[int, ...]]) -> None:
    """Assert that collector and assembler use no more memory than after the warm-up."""
    memory = [sum(sample) for sample in samples]
    assert max(memory) < PEAK_BYTES
    if INPUTS >= WARM_INPUTS:
        third = len(memory) // 3
        assert max(memory[-third:]) - max(memory[:third]) < GROWTH_BYTES, [one // MIB for one in memory]


def assert_kept(collector: Collector, dsn: str, good: list[str]) -> None:
    """Assert that no event is lost, doubled or refused by the database."""
    ((rows, identities, found),) = rows_of(
        dsn,
        "SELECT count(*), count(DISTINCT (event_id, cluster, time)), count(*) FILTER (WHERE queue_id = ANY (%s))"
        " FROM mail_events",
        good,
    )
    letters = dict(rows_of(dsn, "SELECT reason, count(*) FROM dead_letters GROUP BY 1"))
    print(f"{rows} rows, {found} of them known as good, dead letters: {letters}")
    # An event that the border accepts but the database or a later reader refuses is a gap in the border.
    assert rows_of(dsn, "SELECT error, raw FROM dead_letters WHERE reason IN ('bad_row', 'unread') LIMIT 5") == []
    assert collector.metrics().get("duckwatch_store_errors_total", {}) == {}
    assert found == len(good)
    assert rows == identities == collector.total("duckwatch_mail_events_total")
    duplicates = collector.total("duckwatch_ingest_duplicates_total")
    assert collector.total("duckwatch_ingest_events_total") == rows + duplicates
    assert collector.total("duckwatch_ingest_rejected_total") == sum(letters.values())


def rows_of(dsn: str, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Read rows by the test's own connection."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(sql.encode(), parameters or None).fetchall()


def assert_clean(collector: Collector, dsn: str) -> None:
    """Assert that no subject or credential leaks, no error is logged, no 5xx but 503 came, and /metrics is small."""
    for table in ("mail_events", "dead_letters", "plugin_reports"):
        assert rows_of(dsn, f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%{CANARY}%'") == [(0,)], table
    log = collector.log.read_text(encoding="utf-8")
    assert CANARY not in log
    for line in log.splitlines():
        assert json.loads(line).get("level") not in {"error", "critical"}, line
    codes = {dict(labels)["code"] for labels in collector.metrics()["duckwatch_http_requests_total"]}
    assert not {code for code in codes if code.startswith("5")} - {"503"}
    assert collector.page_bytes() < PAGE_BYTES
