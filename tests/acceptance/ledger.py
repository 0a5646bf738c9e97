"""The table against the recorder: each entry that was seen is there once, and each row is one that was seen.

The recorder stands behind our plugin and has a clock reading of its own, some microseconds later;
which row is whose is told by the event's id and the nearest stamp.
What a row must hold then comes from tests/oracle, with the row's own stamp.
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
NEAR = 2000  # ms between the plugin's stamp and the recorder's: one microtask, on a machine that may be busy


@dataclass(frozen=True, slots=True)
class Ledger:
    """What matches, what the table lacks, and what nobody saw."""

    pairs: list[tuple[Record, Row]]
    missing: list[Record]
    unseen: list[Row]

    def differences(self) -> list[str]:
        """Columns that differ from what they must hold; `received_at`, which only the collector knows,
        lies behind the stamp. Raises where an entry has a shape or a reply that nobody has reviewed.
        """
        return [line for record, row in self.pairs for line in _row_differences(record, row)]

    def reviewed_differences(self) -> list[str]:
        """The same, but an entry that nobody has reviewed is printed and passed over:
        a dying server says rare things. It may also die between a deferral's entry and its count in the queue,
        so the attempt at which a delivery ended is not compared.
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
    """Matches the recorder's entries and the table's rows one to one."""
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
    """`event_id` and `time` (epoch ms) of every row: enough to see what is missing, often."""
    with psycopg.connect(dsn) as connection:
        found = connection.execute("SELECT event_id, (extract(epoch FROM time) * 1000)::bigint FROM mail_events")
        return [{"event_id": name, "time": stamp} for name, stamp in found]


def wait_for_every_entry(world: World, seconds: float) -> None:
    """Waits until the table has every entry that the recorder has seen by now."""
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
    """The ledger of now, while mail may still move: what was recorded before the table was read must be in it,
    and what is in it must have been recorded by the time it was read.
    """
    before = world.zonemta.recorded()
    rows = read_rows(world.dsn)
    told = draw_up(with_attempts(world.zonemta.recorded()), rows)
    return Ledger(told.pairs, draw_up(before, rows).missing, told.unseen)
