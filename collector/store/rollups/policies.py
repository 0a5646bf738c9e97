"""TimescaleDB Community's policies (refresh, retention, compression), made and altered from the settings."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, LiteralString, NamedTuple

from collector.store.database.sql import query
from collector.store.rollups.building import ERASED_BEFORE, WIDTHS
from collector.store.rollups.retention import kept_relations, set_back
from duckwatch.base.config.units import format_duration

if TYPE_CHECKING:
    import psycopg

    from collector.config.model import RetentionSettings

CHUNK: Final = timedelta(days=1)

COMPRESS_AFTER: Final = timedelta(days=2)
"""Events are rarely later than this. Later ones are written into compressed chunks, which is slower."""

OPEN: Final = {"15s": timedelta(seconds=30), "5m": timedelta(minutes=10), "1h": timedelta(hours=2)}
"""The newest part of a roll-up that queries add up themselves, so that it is not refreshed again and again."""

EVERY: Final = {"15s": timedelta(seconds=30), "5m": timedelta(minutes=1), "1h": timedelta(minutes=5)}

ADD: Final[dict[str, LiteralString]] = {
    "retention": "SELECT add_retention_policy(%(relation)s::regclass, drop_after => %(drop_after)s::interval)",
    "columnstore": "CALL add_columnstore_policy(%(relation)s::regclass, after => %(compress_after)s::interval)",
    "refresh": (
        "SELECT add_continuous_aggregate_policy(%(relation)s::regclass, start_offset => %(start_offset)s::interval,"
        " end_offset => %(end_offset)s::interval, schedule_interval => %(schedule_interval)s::interval)"
    ),
}
REMOVE: Final[dict[str, LiteralString]] = {
    "retention": "SELECT remove_retention_policy(%(relation)s::regclass)",
    "columnstore": "CALL remove_columnstore_policy(%(relation)s::regclass)",
    "refresh": "SELECT remove_continuous_aggregate_policy(%(relation)s::regclass)",
}


class Policy(NamedTuple):
    """One policy, with TimescaleDB's names for its settings."""

    relation: LiteralString
    kind: str
    settings: dict[str, timedelta]

    def __str__(self) -> str:
        """Return the policy as `migrate` shows it."""
        said = ", ".join(f"{name} {format_duration(value)}" for name, value in self.settings.items())
        return f"{self.relation}: {self.kind} policy, {said}"


def wanted(kept: RetentionSettings, horizons: dict[str, datetime], now: datetime) -> list[Policy]:
    """Return the policies that the settings require.

    No refresh reaches back past its source's retention less one chunk, nor past the time where the source ends or was
    deleted in part by hand (`horizons`): it would empty the buckets there.
    """
    how_long = {one.relation: one.how_long for one in kept_relations(kept)}
    policies = [Policy("mail_events", "columnstore", {"compress_after": COMPRESS_AFTER})]
    policies += [Policy(one.relation, "retention", {"drop_after": one.how_long}) for one in kept_relations(kept)]
    for width in WIDTHS:
        for rollup in width.rollups:
            reach = min(how_long[rollup.relation], how_long[rollup.source] - CHUNK)
            ends = (rollup.source, ERASED_BEFORE) if rollup.erased is not None else (rollup.source,)
            for end in [horizons[name] for name in ends if name in horizons]:
                reach = min(reach, timedelta(hours=(now - end) // timedelta(hours=1)))
            offsets = {"start_offset": reach, "end_offset": OPEN[width.name], "schedule_interval": EVERY[width.name]}
            policies.append(Policy(rollup.relation, "refresh", offsets))
    return policies


def reconcile(connection: psycopg.Connection, kept: RetentionSettings, now: datetime) -> list[str]:
    """Create missing policies and alter those that differ; return a line for each.

    The connection is in autocommit mode. Raise `psycopg.Error`.
    """
    there = _there(connection)
    changes = []
    for relation, old in there.items():
        if "drop_after" in (settings := old.get("retention", {})) and settings["drop_after"] != _how_long(
            kept, relation
        ):
            # If retention becomes longer, the stored rows end here.
            connection.execute(query("note_horizon"), (relation, now - settings["drop_after"]))
    set_back(connection, now)
    horizons: dict[str, datetime] = dict(
        connection.execute("SELECT relation, gone_before FROM retention_horizons").fetchall()
    )
    for policy in wanted(kept, horizons, now):
        old_settings = there.get(policy.relation, {}).get(policy.kind)
        if old_settings == policy.settings:
            continue
        values = {"relation": policy.relation, **policy.settings}
        with connection.transaction():
            if old_settings is not None:
                connection.execute(REMOVE[policy.kind], values)
            connection.execute(ADD[policy.kind], values)
        changes.append(f"{policy} ({'made' if old_settings is None else 'altered'})")
    return changes


def _how_long(kept: RetentionSettings, relation: str) -> timedelta | None:
    return {one.relation: one.how_long for one in kept_relations(kept)}.get(relation)


def _there(connection: psycopg.Connection) -> dict[str, dict[str, dict[str, timedelta]]]:
    """Return the settings of the existing policies, by relation and kind."""
    found: dict[str, dict[str, dict[str, timedelta]]] = {}
    for relation, kind, *values in connection.execute(query("policies")):
        names = ("drop_after", "compress_after", "start_offset", "end_offset", "schedule_interval")
        settings = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        if kind != "refresh":
            settings.pop("schedule_interval")
        found.setdefault(relation, {})[kind] = settings
    return found
