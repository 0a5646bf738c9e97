"""The checks of the database: connection, tier, durability of commits, rights, clock, and the session past a pooler."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import conninfo

from collector.errors import StoreUnavailableError
from collector.finding import fault, ok, skipped, warning
from collector.store.database.connection import connect, deadline, scalar
from collector.store.database.encoding import HOLDS_EVERYTHING
from collector.store.database.tiers import Tier, layout_of, tier_of
from collector.store.migrations import tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.finding import Finding
    from collector.operations.doctor.installation import Installation

OLDEST_POSTGRES: Final = 150_000
CLOCK_SECONDS, WRONG_CLOCK_SECONDS = 1.0, 60.0
PROBES: Final = 5
POOLER_SECONDS: Final = 5.0

REMEDIES: Final = {
    "definition": "take the unknown setting out of options= of the DSN, or out of PGOPTIONS of the collector's "
    "environment, or ALTER ROLE … RESET it",
    "authentication": "in psql, as an administrator: CREATE ROLE duckwatch LOGIN (if \\du shows none), then "
    "\\password duckwatch, and the same "
    "password into collector.database.dsn (or the file of dsn_file); pg_hba.conf needs a line for this machine, like: "
    "hostssl duckwatch duckwatch 192.0.2.7/32 scram-sha-256 (hostssl: add ?sslmode=require to the DSN), then SELECT "
    "pg_reload_conf()",
    "missing_database": "CREATE DATABASE duckwatch OWNER duckwatch TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C', in "
    "psql as an administrator; or name another one in collector.database.dsn",
    "permission": "GRANT CONNECT ON DATABASE duckwatch TO duckwatch (the database and the role of the DSN)",
    "read_only": "name the primary in collector.database.dsn, or take target_session_attrs out of it",
    "resources": "raise max_connections, or find out who holds the connections: SELECT * FROM pg_stat_activity",
}
ENCODING_REMEDY: Final = (
    'move to a database in UTF8 (docs/storage.md, "A database that is not in UTF8"), and then: '
    "dead-letters retry --reason bad_row"
)
UNREACHABLE: Final = (
    "is PostgreSQL running there, does it listen on that address (listen_addresses), do firewall and pg_hba.conf let "
    "this machine "
    "in, are user, password and database right? psql with the same DSN says more"
)


def reachable(installation: Installation) -> Iterator[Finding]:
    """Check that the server answers, is new enough, and accepts writes."""
    place = _place(installation.settings.database.dsn.get_secret_value())
    try:
        with installation.database() as connection:
            place, number = _reached(connection), connection.info.server_version
            version = scalar(connection, "SHOW server_version")
            role = scalar(connection, "SELECT current_user")
            encoding = scalar(connection, "SHOW server_encoding")
            is_standby = scalar(connection, "SELECT pg_is_in_recovery()")
            is_read_only = scalar(connection, "SHOW default_transaction_read_only") == "on"
    except StoreUnavailableError as error:
        yield fault(f"cannot connect to {place} ({error.word})", REMEDIES.get(error.kind, UNREACHABLE))
        return
    if number < OLDEST_POSTGRES:
        yield fault(f"{place} is PostgreSQL {version}", "upgrade it to 15 or newer")
    elif is_standby:
        yield fault(f"{place} is a standby: it takes no writes", "name the primary in collector.database.dsn")
    elif is_read_only:
        yield fault(
            f"{place} is read-only (default_transaction_read_only)",
            "ALTER ROLE or ALTER DATABASE … RESET default_transaction_read_only, or take it out of PGOPTIONS of the "
            "collector's environment, or out of options= of the DSN",
        )
    elif encoding != "UTF8":
        does = (
            "bytes are stored unchecked, and dashboards know no letter beyond ASCII"
            if encoding in HOLDS_EVERYTHING
            else "an event with a character that it lacks becomes a dead letter, and no panel counts it"
        )
        yield warning(f"{place} is in {encoding}, not UTF8: {does}", ENCODING_REMEDY)
    else:
        yield ok(f"PostgreSQL {version} on {place}, as {role}")


def tier(installation: Installation) -> Iterator[Finding]:
    """Check the storage tier (docs/storage.md)."""
    with installation.database() as connection:
        installed = scalar(connection, "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
        newest = scalar(connection, "SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'")
        licence = scalar(connection, "SELECT current_setting('timescaledb.license', true)")
        lacks = _lacks(connection)
    if installed is None and newest is not None:
        yield warning(
            f"plain PostgreSQL, though TimescaleDB {newest} is there",
            "CREATE EXTENSION timescaledb in this database before the first start, for smaller and faster tables",
        )
    elif installed is None:
        yield ok("plain PostgreSQL (TimescaleDB would make large tables smaller and faster)")
    elif newest is not None and installed != newest:
        yield warning(
            f"TimescaleDB {installed}, while the server has {newest}",
            "ALTER EXTENSION timescaledb UPDATE, as the first statement of a new psql session (psql -X)",
        )
    elif lacks is not None:
        yield warning(
            f"TimescaleDB {installed}, but {lacks} as without it",
            "migrate as the owner of the tables; views of your own on the roll-ups are in its way, and can be made "
            "again afterwards",
        )
    else:
        yield ok(f"TimescaleDB {installed}, {'Community' if licence == 'timescale' else 'Apache'} edition")


def _lacks(connection: psycopg.Connection) -> str | None:
    """Return what the layout lacks that the tier allows; None if there are no tables."""
    if scalar(connection, "SELECT to_regclass('mail_events')") is None:
        return None
    layout = layout_of(connection)
    if not layout.has_chunks:
        return "mail_events is"
    return "the roll-ups are" if tier_of(connection) is Tier.COMMUNITY and not layout.has_aggregates else None


def durability(installation: Installation) -> Iterator[Finding]:
    """Check that a commit is durable: after it, the journal forgets the events."""
    with installation.database() as connection:
        fsync = scalar(connection, "SHOW fsync")
        full_pages = scalar(connection, "SHOW full_page_writes")
        commit = scalar(connection, "SHOW synchronous_commit")
        unlogged = connection.execute(
            "SELECT relname FROM pg_class WHERE relpersistence = 'u'"
            " AND oid = ANY (SELECT to_regclass(name) FROM unnest(%s::text[]) name) ORDER BY 1",
            (tables(),),
        ).fetchall()
    found = [
        fault(f"{name} is UNLOGGED: a crash of the server empties it", f"ALTER TABLE {name} SET LOGGED, as its owner")
        for (name,) in unlogged
    ]
    if fsync == "off":
        found.append(
            fault(
                "fsync is off: a crash of its machine destroys the database", "ALTER SYSTEM SET fsync = on, and reload"
            )
        )
    if full_pages == "off":
        found.append(
            fault(
                "full_page_writes is off: a crash can leave torn pages, unless the file system forbids them (ZFS)",
                "ALTER SYSTEM SET full_page_writes = on, and reload",
            )
        )
    if commit == "off":
        found.append(
            fault(
                "synchronous_commit is off for this role: a crash loses events that were acknowledged",
                "ALTER ROLE … SET synchronous_commit = on (or local), or correct it in postgresql.conf",
            )
        )
    yield from found or [ok(f"fsync and full_page_writes are on, synchronous_commit is {commit}")]


def rights(installation: Installation) -> Iterator[Finding]:
    """Check that the role has the rights that the collector needs."""
    with installation.database() as connection:
        rows = connection.execute(
            "SELECT c.relname, pg_has_role(c.relowner, 'MEMBER'), ARRAY("
            "  SELECT p FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p WHERE NOT "
            "has_table_privilege(c.oid, p))"
            " FROM pg_class c WHERE c.oid = ANY (SELECT to_regclass(name) FROM unnest(%s::text[]) name) ORDER BY 1",
            (tables(),),
        ).fetchall()
        may_have_temporary = scalar(connection, "SELECT has_database_privilege(current_database(), 'TEMPORARY')")
        is_superuser = scalar(connection, "SHOW is_superuser") == "on"
    for name, _, lacking in rows:
        if lacking:
            yield fault(
                f"no right to {', '.join(lacking)} on {name}", f"GRANT {', '.join(lacking)} ON {name} to this role"
            )
    if not may_have_temporary:
        yield fault(
            "no right to temporary tables: repeated events cannot be distinguished from new ones",
            "GRANT TEMPORARY ON DATABASE to this role",
        )
    foreign = [name for name, is_own, _ in rows if not is_own]
    if is_superuser:
        yield warning("the collector is a superuser there", "give it a role of its own, which owns its database")
    elif foreign:
        yield warning(
            f"{foreign[0]} belongs to another role: retention and later migrations need its owner",
            "ALTER TABLE … OWNER TO this role, or GRANT the owner to it",
        )
    elif rows and may_have_temporary and not any(lacking for _, _, lacking in rows):
        yield ok(f"all that is needed on {len(rows)} tables")
    elif not rows:
        yield skipped("no tables yet")


NTP: Final = "keep both clocks by NTP: on each machine, as root, apt-get install chrony, or timedatectl set-ntp true"


def clock(installation: Installation) -> Iterator[Finding]:
    """Check that this machine and the database agree on the time."""
    with installation.database() as connection:
        behind, doubt = min((_difference(connection) for _ in range(PROBES)), key=lambda found: found[1])
    difference = abs(behind)
    what = f"the database's clock is {difference:.1f} s {'ahead of' if behind > 0 else 'behind'} this machine's"
    if difference - doubt > WRONG_CLOCK_SECONDS:
        yield fault(what, f"{NTP}: events an hour ahead are set aside")
    elif difference - doubt > CLOCK_SECONDS:
        yield warning(what, f"{NTP}: delays are measured by both clocks")
    else:
        yield ok(f"within {max(difference, doubt) * 1000:.0f} ms of the database's")


def session(installation: Installation) -> Iterator[Finding]:
    """Check that session_dsn keeps one server connection, as advisory locks need, and leads to the same database."""
    settings = installation.settings.database
    key = "dsn" if settings.session_dsn is None else "session_dsn"
    remedy = "set collector.database.session_dsn to the server itself, past the pooler (or to a pool in session mode)"
    dsn = settings.direct_dsn.get_secret_value()
    try:
        with contextlib.closing(connect(dsn)) as first, contextlib.closing(connect(dsn)) as second:
            is_kept = _keeps_its_server(first, second)
            with deadline(first, POOLER_SECONDS):
                is_direct = is_kept and first.info.backend_pid == _backend(first)
                is_same = key == "dsn" or _identity(first) == _identity_of_dsn(installation)
    except StoreUnavailableError as error:
        yield fault(f"cannot connect by collector.database.{key} ({error.word})", REMEDIES.get(error.kind, UNREACHABLE))
        return
    except psycopg.OperationalError:
        is_kept = is_direct = False
        is_same = True
    if not is_kept:
        yield fault(f"collector.database.{key} leads through a transaction pooler: locks would not last", remedy)
    elif not is_same:
        yield fault(
            "collector.database.session_dsn leads to another database than dsn", "name the same database in both"
        )
    else:
        yield ok(f"{key} {'is a direct session' if is_direct else 'leads through a pooler in session mode'}")


def _keeps_its_server(first: psycopg.Connection, second: psycopg.Connection) -> bool:
    """Return False if the first's next transaction uses or awaits another backend while the second holds one.

    Raise `psycopg.OperationalError` if that takes too long.
    """
    first.autocommit = True
    backend = _backend(first)
    for _ in range(PROBES):
        with deadline(first, POOLER_SECONDS), second.transaction():
            if _backend(second) == backend or _backend(first) != backend:
                return False
    return True


def _backend(connection: psycopg.Connection) -> object:
    return scalar(connection, "SELECT pg_backend_pid()")


def _identity(connection: psycopg.Connection) -> object:
    """Return what identifies one database of one running server."""
    return scalar(
        connection,
        "SELECT extract(epoch FROM pg_postmaster_start_time()) || '/' || oid FROM pg_database WHERE datname = "
        "current_database()",
    )


def _identity_of_dsn(installation: Installation) -> object:
    with installation.database() as connection:
        return _identity(connection)


def _difference(connection: psycopg.Connection) -> tuple[float, float]:
    """Return the seconds by which the database is ahead, and the possible error."""
    asked = time.time()
    theirs = scalar(connection, "SELECT extract(epoch FROM clock_timestamp())::float8")
    answered = time.time()
    assert isinstance(theirs, float)
    return theirs - (asked + answered) / 2, (answered - asked) / 2


def _reached(connection: psycopg.Connection) -> str:
    """Return the server that a connection has reached: a DSN can name several."""
    return f"{connection.info.host or 'the local socket'}:{connection.info.port}, database {connection.info.dbname}"


def _place(dsn: str) -> str:
    """Return the DSN's hosts and database, without its secrets."""
    known = conninfo.conninfo_to_dict(dsn)
    host = known.get("host") or known.get("hostaddr") or "the local socket"
    return f"{host}:{known.get('port') or 5432}, database {known.get('dbname') or known.get('user') or 'by default'}"
