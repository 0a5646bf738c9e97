"""The demo's counts: the collector's counters, and the rows in the table."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from prometheus_client.parser import text_string_to_metric_families

from duckwatch.demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp


@dataclass(frozen=True, slots=True)
class Figures:
    """The counters of one scrape. `waiting` is the number of requests in the journal."""

    waiting: int = 0
    duplicates: int = 0
    actions: Mapping[str, int] = field(default_factory=dict)

    @property
    def stored(self) -> int:
        """Events committed since the collector's start."""
        return sum(self.actions.values())


async def scrape(session: aiohttp.ClientSession, url: str) -> Figures:
    """Read `/metrics`. Raise aiohttp.ClientError or TimeoutError."""
    async with session.get(f"{url}/metrics") as answer:
        answer.raise_for_status()
        text = await answer.text()
    waiting, duplicates = 0, 0
    actions: dict[str, int] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            match sample.name:
                case "duckwatch_journal_requests":
                    waiting = int(sample.value)
                case "duckwatch_ingest_duplicates_total":
                    duplicates += int(sample.value)
                case "duckwatch_mail_events_total":
                    action = sample.labels["action"]
                    actions[action] = actions.get(action, 0) + int(sample.value)
    return Figures(waiting, duplicates, actions)


async def newest_bounce(dsn: str) -> str | None:
    """Return the queue id of the last bounce, None before the first and while the database does not answer."""
    statement = (
        "SELECT queue_id FROM mail_events WHERE action = 'bounced' AND queue_id IS NOT NULL ORDER BY time DESC LIMIT 1"
    )
    with contextlib.suppress(psycopg.Error):
        async with await psycopg.AsyncConnection.connect(dsn, connect_timeout=5) as connection:
            row = await (await connection.execute(statement)).fetchone()
            return None if row is None else str(row[0])
    return None


async def count_rows(dsn: str) -> int:
    """Return the number of rows in the table, which checks the counters. Raise DemoError."""
    try:
        async with await psycopg.AsyncConnection.connect(dsn, connect_timeout=5) as connection:
            row = await (await connection.execute("SELECT count(*) FROM mail_events")).fetchone()
    except psycopg.Error as error:
        raise DemoError(f"the rows cannot be counted: {error}") from None
    assert row is not None
    return int(row[0])
