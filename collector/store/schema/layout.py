"""The layout that each tier adds to the schema, at each start: a new extension or licence is used from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg

from collector.errors import BadRowError
from collector.store.database.connection import translate
from collector.store.database.sql import query
from collector.store.database.tiers import Tier, layout_of, tier_of
from collector.store.migrations import LOCK_KEY, LOCK_MS
from collector.store.rollups import continuous_aggregates, policies
from collector.store.schema import replica_identity

if TYPE_CHECKING:
    from datetime import datetime

    from collector.config.model import RetentionSettings

FOR_GOOD: Final = frozenset({"permission", "definition", "not_supported", "not_ready", "raised", "other"})
"""Refusals that a retry cannot change: a right that the role lacks; an operator's own view on a table that is to be
replaced.
"""


def lay_out_if_let(
    connection: psycopg.Connection, kept: RetentionSettings, now: datetime
) -> tuple[list[str], str | None]:
    """Complete the layout as `lay_out` does, but accept a permanent refusal of the database.

    Events can be stored and counted in every layout. Return the changes, and the kind of the refusal with its SQLSTATE,
    or None. Raise `psycopg.Error` for an error that a retry may solve.
    """
    try:
        return lay_out(connection, kept, now), None
    except psycopg.Error as error:
        failure = translate(error)
        kind = "other" if isinstance(failure, BadRowError) else failure.kind
        if kind not in FOR_GOOD:
            raise
        return [], f"{kind} ({error.sqlstate})"


def lay_out(connection: psycopg.Connection, kept: RetentionSettings, now: datetime) -> list[str]:
    """Bring the layout and the policies to what the tier and the settings require; return a line for each change.

    A second collector waits for the first. The connection is left in autocommit mode: a refresh cannot run in a
    transaction. Raise `psycopg.Error`.
    """
    connection.commit()
    connection.autocommit = True
    tier = tier_of(connection)
    if tier is Tier.PLAIN:
        return replica_identity.complete_replica_identities(connection)
    changes = []
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
        # Without this limit, writers would wait behind this transaction, which waits behind a long query.
        connection.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
        layout = layout_of(connection)
        if not layout.has_chunks:
            connection.execute(query("corrects"))  # the rows move; none is deleted
            connection.execute(query("make_hypertable"))
            changes.append("mail_events: a hypertable now, with chunks of a day")
        is_to_convert = tier is Tier.COMMUNITY and not layout.has_aggregates
        if is_to_convert:
            changes += continuous_aggregates.convert(connection)
    if is_to_convert:
        continuous_aggregates.show_history(connection)
    if tier is Tier.COMMUNITY:
        changes += policies.reconcile(connection, kept, now)
    return changes + replica_identity.complete_replica_identities(connection)
