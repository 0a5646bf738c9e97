"""What each tier adds to the schema, laid out at each start: an extension or a licence that has appeared is used from then on."""

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

    from collector.config.model import Retention

FOR_GOOD: Final = frozenset({"permission", "definition", "not_supported", "not_ready", "raised", "other"})
"""What waiting does not mend: a right that the role lacks; a view of an operator's own on a table that is to be replaced."""


def lay_out_if_let(connection: psycopg.Connection, kept: Retention, now: datetime) -> tuple[list[str], str | None]:
    """As `lay_out`, but what the database refuses for good is left as it is, since events can be stored and added up in every layout: then
    returns, beside the changes, the kind of the refusal with its SQLSTATE. Raises `psycopg.Error` for what another try may mend.
    """
    try:
        return lay_out(connection, kept, now), None
    except psycopg.Error as error:
        told = translate(error)
        kind = "other" if isinstance(told, BadRowError) else told.kind
        if kind not in FOR_GOOD:
            raise
        return [], f"{kind} ({error.sqlstate})"


def lay_out(connection: psycopg.Connection, kept: Retention, now: datetime) -> list[str]:
    """Brings the layout and the policies to what the tier and the settings ask for; returns a line for each change, none where all is as
    it should be. Raises `psycopg.Error`; a second collector waits for the first. The connection is left in autocommit mode: a refresh is
    no part of a transaction.
    """
    connection.commit()
    connection.autocommit = True
    tier = tier_of(connection)
    if tier is Tier.PLAIN:
        return replica_identity.complete(connection)
    changes = []
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
        # Or writers would wait behind this, which waits behind a long query.
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
    return changes + replica_identity.complete(connection)
