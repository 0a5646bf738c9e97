"""The reason why a change stream cannot be followed, as one word, with advice for the operator."""

from __future__ import annotations

from typing import Final

import psycopg
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError

from collector.errors import StoreError, StoreUnavailableError
from collector.store.database.connection import translate
from duckwatch.base.resources import shortage_now, shortage_of

UNAUTHORIZED: Final = 13
AUTHENTICATION_FAILED: Final = 18
HISTORY_LOST: Final = frozenset({260, 280, 286})
"""Error codes InvalidResumeToken (after a rename, for example), ChangeStreamFatalError, ChangeStreamHistoryLost."""

NO_CHANGE_STREAMS: Final = 40573
"""Error code for `$changeStream` on a server that is not a replica set."""

ADVICE: Final = {
    "no_change_streams": (
        "MongoDB has no change streams: it must be a replica set (one member is enough: --replSet, then rs.initiate())"
    ),
    "history_lost": (
        "MongoDB has lost the change stream's history: the collections are read instead, and some events may be missing"
    ),
    "permission": "MongoDB allows no change stream: the user needs the role `read` on the database",
}


def trouble_of(error: Exception) -> str:  # noqa: PLR0911  # a table
    """Return the trouble of an error, one word of a closed set (docs/backup-sources.md)."""
    match error:
        case OperationFailure(code=code) if code == NO_CHANGE_STREAMS:
            return "no_change_streams"
        case OperationFailure(code=code) if code in (UNAUTHORIZED, AUTHENTICATION_FAILED):
            return "permission"
        case OperationFailure():
            return "operation"
        case ConfigurationError():
            return "configuration"
        case PyMongoError():
            return shortage_now() or "mongodb"
        case psycopg.Error():
            return trouble_of(translate(error))
        case StoreUnavailableError(kind=kind):
            return kind
        case StoreError():
            return "bad_row"
        case _:
            return shortage_of(error) or "internal"
