"""The check of one cluster's MongoDB. The driver's text may quote the user, so only its codes are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pymongo import MongoClient
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError

from collector.events.sources.authlog import AUTHLOG
from collector.events.sources.wildduck_messages import MESSAGES
from collector.finding import fault, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.collection import Collection
    from pymongo.database import Database

    from collector.config.feeds import MongoSettings
    from collector.finding import Finding

PATIENCE_MS: Final = 5_000
AWAIT_MS: Final = 1

UNAUTHORIZED: Final = 13
AUTHENTICATION_FAILED: Final = 18

URI: Final = (
    "mongodb://user:password@host1,host2/?replicaSet=rs0; "
    "a + @ : or / in user or password is written as %2B %40 %3A %2F"
)
UNREACHABLE: Final = (
    "is MongoDB running there, does it listen on that address (net.bindIp), do firewall and TLS let this machine in, "
    "is replicaSet= right? mongosh with the same URI says more"
)
STANDALONE: Final = (
    "make it a replica set, one member is enough: start it with --replSet rs0, then rs.initiate() in mongosh"
)


def examine_mongo(settings: MongoSettings) -> Iterator[Finding]:
    """Yield the findings of this cluster's MongoDB. Raise nothing that the driver raises."""
    name = settings.cluster
    try:
        with MongoClient[Any](
            settings.uri.get_secret_value(),
            appname="duckwatch-doctor",
            serverSelectionTimeoutMS=PATIENCE_MS,
            connectTimeoutMS=PATIENCE_MS,
            socketTimeoutMS=PATIENCE_MS,
        ) as client:
            hello = client.admin.command("hello")
            if "setName" not in hello and hello.get("msg") != "isdbgrid":
                yield fault(f"{name}: a standalone MongoDB, without change streams", STANDALONE)
                return
            if settings.zonemta_database is not None:
                queue = client[settings.zonemta_database][settings.queue_collection]
                yield _followed(
                    name, queue, "zonemta_database or queue_collection (ZoneMTA's dbs.sender, queue.collection)"
                )
            if settings.wildduck_database is not None:
                messages = client[settings.wildduck_database][MESSAGES]
                yield _followed(name, messages, "wildduck_database; without WildDuck it is null", is_enough=False)
            if settings.logins_database not in (None, settings.wildduck_database):
                logins = client[settings.logins_database][AUTHLOG]
                yield _followed(name, logins, "wildduck_users_database (WildDuck's dbs.users)", is_enough=False)
    except (PyMongoError, ValueError) as error:  # ValueError: a port that is none
        yield _refusal(name, error)


def _followed(name: str, collection: Collection[Any], key: str, *, is_enough: bool = True) -> Finding:
    """Return a finding on the rights to read a collection and to watch its changes, which a feed does both.

    `is_enough` says that the feed can use this collection alone where it may not watch the database. Raise
    PyMongoError.
    """
    database = collection.database
    place = f"{name}: {database.name}.{collection.name}"
    try:
        is_there = collection.find_one({}, {"_id": 1}) is not None or collection.name in database.list_collection_names(
            authorizedCollections=True
        )
        is_whole = _may_watch(database)
        if not is_whole and not (is_enough and _may_watch(collection)):
            return fault(f"{place} may be read, and not watched", _grant(database.name))
    except OperationFailure as error:
        if error.code != UNAUTHORIZED:
            raise
        return fault(f"{place} may not be read by this user", _grant(database.name))
    if not is_there:
        return warning(f"{place} does not exist: its rights cannot be checked", f"look at collector.mongo[].{key}")
    if not is_whole:
        return warning(f"{place} can be followed, and no other collection of its database", _grant(database.name))
    return ok(f"{place} can be followed")


def _may_watch(whole: Database[Any] | Collection[Any]) -> bool:
    try:
        whole.watch([], max_await_time_ms=AWAIT_MS).close()
    except OperationFailure as error:
        if error.code != UNAUTHORIZED:
            raise
        return False
    return True


def _grant(database: str) -> str:
    command = f'db.grantRolesToUser(USER, [{{role: "read", db: "{database}"}}])'
    return f"{command} in mongosh, in the database where the user was made"


def _refusal(name: str, error: PyMongoError | ValueError) -> Finding:
    match error:
        case ConfigurationError() | ValueError():
            return fault(f"{name}: the driver cannot use collector.mongo[].uri", f"write it like {URI}")
        case OperationFailure(code=code) if code == AUTHENTICATION_FAILED:
            return fault(
                f"{name}: MongoDB refuses user or password",
                "look at user, password and authSource= in collector.mongo[].uri (or in the file of uri_file)",
            )
        case OperationFailure(code=code):
            return fault(f"{name}: MongoDB refuses to answer (code {code})", "its log says why")
        case _:
            return fault(f"{name}: MongoDB does not answer", UNREACHABLE)
