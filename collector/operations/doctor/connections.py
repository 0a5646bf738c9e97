"""The check of the limits of connections: of the server, the database and the role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from collector.finding import fault, ok, printable, warning
from collector.store.database.sql import query
from collector.store.schema.reader_role import ROLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.config import CollectorSettings
    from collector.finding import Finding
    from collector.operations.doctor.installation import Installation

PASSING: Final = 3
"""Connections that a command needs for a moment beside the running collector: `doctor` opens three."""

READERS: Final = 20
"""The limit with which the collector makes the dashboards' role (migration 0005)."""

FEWEST_READERS: Final = 5


class _Limits(NamedTuple):
    """A row of `connection_limits`: limits (None: no limit), and connections that are open now."""

    role_name: str
    server: int
    database: int | None
    role: int | None
    has_reader: bool
    reader: int | None
    ours: int
    others: int
    others_here: int


class _Limit(NamedTuple):
    """One limit: its name, what it is, how many others have connections under it now, and how to raise it."""

    name: str
    most: int
    others: int
    remedy: str


def connections(installation: Installation) -> Iterator[Finding]:
    """Check that each limit leaves room for the collector, a command beside it, and the dashboards."""
    with installation.database() as connection:
        rows = connection.execute(query("connection_limits"), {"reader": ROLE}).fetchall()
    limits, kept = _Limits(*rows[0]), kept_open(installation.settings)
    # Other collectors of this database use the same role.
    needed = max(kept, limits.ours) + PASSING
    found = [*_too_few(limits, kept, needed)]
    if limits.has_reader and limits.reader is None:
        found.append(
            warning(
                f"{ROLE} has no CONNECTION LIMIT: dashboards can take every connection",
                f"ALTER ROLE {ROLE} CONNECTION LIMIT {READERS}, as an administrator",
            )
        )
    yield from found or [
        ok(
            f"{limits.server} on the server, {limits.others} of them others' now: "
            f"room for the collector ({needed}) and the dashboards ({_readers(limits)})"
        )
    ]


def kept_open(settings: CollectorSettings) -> int:
    """Return the number of connections that a collector keeps open: the writer's, the jobs', Live's, each feed's."""
    feeds = 0
    for mongo in settings.mongo:
        wildduck = {mongo.wildduck_database, mongo.logins_database} - {None}
        feeds += len(wildduck) + (mongo.zonemta_database is not None)
    return 2 + (settings.live is not None) + feeds


def _too_few(limits: _Limits, kept: int, needed: int) -> Iterator[Finding]:
    for limit in _each(limits):
        # The role's own limit is for the collector alone.
        readers = 0 if limit.name.startswith("the role") else _readers(limits)
        if limit.most < kept:
            yield fault(f"{limit.name} may have {limit.most} connections, and the collector needs {kept}", limit.remedy)
        elif limit.most < needed + readers + limit.others:
            what = f"{limit.name} may have {limit.most} connections; the collector and a command need {needed}"
            what += f", the dashboards up to {readers}, and others have {limit.others}" if readers else ""
            yield warning(what, limit.remedy + _fewer_readers(limit, needed, readers))


def _each(limits: _Limits) -> Iterator[_Limit]:
    yield _Limit("the server", limits.server, limits.others, "raise max_connections, and restart PostgreSQL")
    if limits.database is not None:
        remedy = "ALTER DATABASE … CONNECTION LIMIT -1, as an administrator"
        yield _Limit("the database", limits.database, limits.others_here, remedy)
    if limits.role is not None:
        name = printable(limits.role_name)
        yield _Limit(f"the role {name}", limits.role, 0, f"ALTER ROLE {name} CONNECTION LIMIT -1, as an administrator")


def _fewer_readers(limit: _Limit, needed: int, readers: int) -> str:
    left = limit.most - needed - limit.others
    return f"; or ALTER ROLE {ROLE} CONNECTION LIMIT {left}" if FEWEST_READERS <= left < readers else ""


def _readers(limits: _Limits) -> int:
    """Return how many connections the dashboards may open. Without a limit, count those of the usual one."""
    if not limits.has_reader:
        return 0
    return READERS if limits.reader is None else limits.reader
