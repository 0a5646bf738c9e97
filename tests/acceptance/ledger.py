"""Compare `mail_events` with the recorder: each recorded log entry has one row, and each row has one log entry.

ZoneMTA calls the recorder after our plugin, so the recorder reads the clock some microseconds later.
A row belongs to the log entry with the same event id and the nearest time.
tests/oracle computes the expected columns from the log entry and the row's own time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from tests.acceptance.world import CLUSTER, HOST
from tests.oracle.comparison import read_rows, row_differences
from tests.oracle.replies import UnknownReplyError
from tests.oracle.rows import UnknownShapeError, event_id, expected_row
from tests.oracle.shapes import SHAPES, shape_name
from tests.oracle.wire import with_attempts
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from tests.acceptance.world import World

Row = dict[str, Any]
Record = dict[str, Any]

ENDS = ("delivered", "bounced")
NEAR = 2000  # ms between the times of plugin and recorder: one microtask, but the machine may be busy


@dataclass(frozen=True, slots=True)
class Ledger:
    """The matched pairs, the log entries without a row, and the rows without a log entry."""

    pairs: list[tuple[Record, Row]]
    missing: list[Record]
    unseen: list[Row]

    def differences(self) -> list[str]:
        """Return a line for each column that differs from its expected value.

        Only the collector knows `received_at`, so the check is only that it is not before the row's time.
        Raise UnknownShapeError or UnknownReplyError if nobody has reviewed the shape or the reply of a log entry.
        """
        return [line for record, row in self.pairs for line in _row_differences(record, row)]

    def reviewed_differences(self) -> list[str]:
        """Return the differences, but print and skip a log entry that nobody has reviewed.

        A server that is killed gives rare replies. ZoneMTA may also die after it logs a deferral and before it
        counts the deferral in its queue, so the column `attempt` of a final outcome is not compared.
        """
        lines = []
        for record, row in self.pairs:
            try:
                lines += _row_differences(record, row, ("attempt",) if row["action"] in ENDS else ())
            except (UnknownShapeError, UnknownReplyError) as unknown:
                print(f"not reviewed: {unknown}")
        return lines


def _row_differences(record: Record, row: Row, but: tuple[str, ...] = ()) -> list[str]:
    stamped = record | {"time_ms": row["time"]}
    wanted = expected_row(stamped, cluster=CLUSTER, host=HOST, received_at=row["received_at"])
    early = [f"{row['event_id']} received_at lies before its stamp"] if row["received_at"] < row["time"] else []
    return early + row_differences(wanted, row, but)


def draw_up(records: list[Record], rows: list[Row]) -> Ledger:
    """Match the recorder's entries and the rows one to one."""
    free: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        free[row["event_id"]].append(row)
    pairs, missing = [], []
    for record in records:
        entry = record["entry"]
        candidates = free[event_id(entry, SHAPES[shape_name(entry)])]
        nearest = min(candidates, key=lambda row: _distance(record, row), default=None)
        if nearest is None or _distance(record, nearest) > NEAR:
            missing.append(record)
            continue
        candidates.remove(nearest)
        pairs.append((record, nearest))
    return Ledger(pairs, missing, [row for left in free.values() for row in left])


def _distance(record: Record, row: Row) -> int:
    return abs(int(record["time_ms"]) - int(row["time"]))


def read_identities(dsn: str) -> list[Row]:
    """Return `event_id` and `time` (epoch ms) of every row. This query is cheap enough to repeat while waiting."""
    with psycopg.connect(dsn) as connection:
        found = connection.execute("SELECT event_id, (extract(epoch FROM time) * 1000)::bigint FROM mail_events")
        return [{"event_id": name, "time": stamp} for name, stamp in found]


def wait_for_every_entry(world: World, seconds: float) -> None:
    """Wait until each log entry that is recorded so far has its row."""
    seen = world.zonemta.recorded()

    def missing() -> list[Record]:
        return draw_up(seen, read_identities(world.dsn)).missing

    def what() -> str:
        left = missing()
        return (
            f"{len(left)} of {len(seen)} recorded entries are missing, the first: {left[:3]}; unsent: {world.unsent()}"
        )

    wait_until(lambda: not missing(), what, seconds, every=1)


def read_ledger(world: World) -> Ledger:
    """Return the ledger of this moment, while ZoneMTA may still send mail.

    `missing` compares the rows with the log entries recorded before the rows were read.
    `unseen` compares them with the log entries recorded until afterwards.
    """
    before = world.zonemta.recorded()
    rows = read_rows(world.dsn)
    told = draw_up(with_attempts(world.zonemta.recorded()), rows)
    return Ledger(told.pairs, draw_up(before, rows).missing, told.unseen)
