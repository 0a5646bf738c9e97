"""What each tier adds to the schema, laid out at each start: an extension or a licence that has appeared is used from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.store import community, policies
from collector.store.migrations import LOCK_KEY, LOCK_MS
from collector.store.sql import query
from collector.store.tiers import Tier, layout_of, tier_of

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from collector.config.model import Retention


def lay_out(connection: psycopg.Connection, kept: Retention, now: datetime) -> list[str]:
    """Brings the layout and the policies to what the tier and the settings ask for; returns a line for each change, none where all is as
    it should be. Raises `psycopg.Error`; a second collector waits for the first. The connection is left in autocommit mode: a refresh is
    no part of a transaction.
    """
    connection.commit()
    connection.autocommit = True
    tier = tier_of(connection)
    if tier is Tier.PLAIN:
        return []
    changes = []
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
        # Or writers would wait behind this, which waits behind a long query.
        connection.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
        layout = layout_of(connection)
        if not layout.has_chunks:
            connection.execute(query("make_hypertable"))
            changes.append("mail_events: a hypertable now, with chunks of a day")
        is_to_convert = tier is Tier.COMMUNITY and not layout.has_aggregates
        if is_to_convert:
            changes += community.convert(connection)
    if is_to_convert:
        community.show_history(connection)
    if tier is Tier.COMMUNITY:
        changes += policies.reconcile(connection, kept, now)
    return changes
