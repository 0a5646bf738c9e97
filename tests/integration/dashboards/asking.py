"""Sends a dashboard's query as Grafana does, for the tests of panels."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

from grafana.queries import load_query
from tests.unit.grafana.macros import expand

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ask(
    connection: psycopg.Connection,
    query: str,
    span: tuple[datetime, datetime],
    *,
    interval: str = "1m",
    clusters: Sequence[str] = ("default",),
    text: str = "",
) -> list[dict[str, Any]]:
    """Return the rows that Grafana would get for the range `span`."""
    sent = expand(load_query(query), start=span[0], end=span[1], interval=interval, values=clusters, text=text)
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sent.encode()).fetchall()


def bin_of(time: datetime, width: timedelta) -> datetime:
    """Return the start of the bin that contains this time."""
    return EPOCH + (time - EPOCH) // width * width
