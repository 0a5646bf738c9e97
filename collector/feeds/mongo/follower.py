"""Follows one change stream from its resume token on. Each run of changes is committed in one transaction with the
token of its end.

One collector of a database follows a feed (`FeedStore.lead`); the others retry now and then.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections import Counter
from concurrent.futures import Future, wait
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bson import json_util
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from collector.config.renewable import dsn_text
from collector.errors import BadRowError, UntranslatableError
from collector.events.model.batch import Batch
from collector.events.model.event import RejectReason
from collector.events.sources.zonemta_queue import moment
from collector.feeds.mongo.fitting import fitting
from collector.feeds.mongo.reader import FeedRows
from collector.feeds.mongo.trouble import ADVICE, HISTORY_LOST, UNAUTHORIZED, trouble_of
from collector.pipeline.letters import letter_of_row
from collector.pipeline.listeners import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pymongo.change_stream import ChangeStream
    from pymongo.database import Database

    from collector.config.renewable import Connectable
    from collector.events.model.batch import WriteResult
    from collector.events.model.event import MailEvent
    from collector.events.model.side_tables import Record
    from collector.feeds.mongo.reader import Change, ChangeReader
    from collector.metrics import Metrics
    from collector.store.backup.stream_position import FeedStore

log = logging.getLogger(__name__)

GATHERED: Final = 1000
GATHER_SECONDS: Final = 0.25
AWAIT_MS: Final = 500
TOKEN_SECONDS: Final = 10.0
"""How often the token of a quiet stream is stored. MongoDB does not accept a token that is too old."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
STOP_SECONDS: Final = 5.0
LEAVE_SECONDS: Final = 1.0
"""How long `stop` waits for the thread after it has cut the connection to our database. A thread that still waits for
MongoDB is left behind. It can do no harm, because a token is stored only under the epoch of the current lead.
"""

FIND_MS: Final = 3_000
"""How long the driver looks for a server. A stop cannot interrupt this, so it is shorter than the wait of `stop`.
An election may take longer; the follower then retries.
"""

CONNECT_MS, ANSWER_MS = 10_000, 60_000

ENDS: Final = ("invalidate", "dropDatabase")

_OPTIONS: Final[CodecOptions[Any]] = CodecOptions(
    tz_aware=True,
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)


class _InvalidatedError(Exception):
    """The database was dropped or renamed. The stream has ended, and a new one begins."""


class _GatheredChanges(NamedTuple):
    changes: list[Change]
    token: str | None


class Follower:
    """Follows one feed in its own thread. `trouble` names why it does not follow. It is None while this or another
    collector follows.

    `listeners` are called with each commit.
    """

    def __init__(
        self,
        uri: Connectable,
        reader: ChangeReader,
        store: FeedStore,
        *,
        cluster: str,
        metrics: Metrics,
        listeners: Sequence[Callable[[WriteResult], None]],
        now_ms: Callable[[], int],
    ) -> None:
        self._uri, self._reader, self._store, self._cluster = uri, reader, store, cluster
        self._metrics, self._listeners, self._now_ms = metrics, listeners, now_ms
        metrics.changestream_errors.labels(cluster, reader.name, "history_lost")  # at 0, so that one is an increase
        self.name = f"{cluster}/{reader.name}"
        self._stop = threading.Event()
        self.trouble: str | None = "starting"
        self.sqlstate: str | None = None
        self._thread = threading.Thread(target=self._run, name=f"feed {reader.name}", daemon=True)

    def start(self) -> None:
        """Start the thread. The database schema must exist."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current transaction, or cancel it after STOP_SECONDS.
        Do not wait for a MongoDB that keeps the connection open and sends nothing.
        """
        self._stop.set()
        if not self._thread.is_alive():
            return
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            self._store.abandon()
            self._thread.join(LEAVE_SECONDS)

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self._follow()
            except Exception as error:
                self._note(trouble_of(error), getattr(error, "sqlstate", None))
                if self.trouble == "internal":
                    log.exception("a feed failed because of an error in the collector")
            finally:
                self._leave()
            if time.monotonic() - began > LONGEST_PAUSE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._stop.wait(random.uniform(pause / 2, pause))  # noqa: S311  # jitter, not a secret
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _note(self, trouble: str, sqlstate: str | None = None) -> None:
        """Log a problem when it starts, not at every retry.

        Another collector that follows the feed is not a problem.
        """
        if trouble == "elsewhere":
            self.trouble = None
            return
        self._metrics.count_refusal(sqlstate)
        self._metrics.changestream_errors.labels(self._cluster, self._reader.name, trouble).inc()
        if trouble != self.trouble:
            about = {"cluster": self._cluster, "feed": self._reader.name, "kind": trouble, "sqlstate": sqlstate}
            log.warning(ADVICE.get(trouble, "a change stream cannot be followed"), extra={"fields": about})
        self.trouble, self.sqlstate = trouble, sqlstate

    def _leave(self) -> None:
        """Close the store, and remove the gauges, which the next collector that follows will show."""
        self._store.close()
        for collection in self._reader.collections:
            with contextlib.suppress(KeyError):
                self._metrics.changestream_lag.remove(self._cluster, collection)

    def _follow(self) -> None:
        written = self._store.settle()
        if written is not None:
            tell(self._listeners, written)
        token = self._store.lead()
        client: MongoClient[Any] = MongoClient(
            dsn_text(self._uri),
            appname="duckwatch-collector",
            serverSelectionTimeoutMS=FIND_MS,
            connectTimeoutMS=CONNECT_MS,
            socketTimeoutMS=ANSWER_MS,
        )
        with client:
            database: Database[Any] = client.get_database(self._reader.database, codec_options=_OPTIONS)
            try:
                self._follow_from(database, token)
            except OperationFailure as error:
                if error.code not in HISTORY_LOST:
                    raise
            except _InvalidatedError:
                pass
            else:
                return
            self._note("history_lost")
            self._follow_from(database, None)

    def _follow_from(self, database: Database[Any], token: str | None) -> None:
        with open_stream(database, self._reader, token) as stream:
            if token is None:
                # The stream begins here. Earlier changes are found only in the collections.
                if not self._take_stock(database):
                    return
                self._store.commit_token(_token(stream))
            self.trouble = None
            self._take_all(database, lambda: _ahead(lambda: self._gather(stream)))

    def _take_stock(self, database: Database[Any]) -> bool:
        """Store what the collections hold. Return False if the follower must stop first."""
        for rows in self._reader.take_stock(database, self._store, self._now_ms()):
            # An event older than the retention is not a fault here: mail may wait in a queue for long.
            letters = [one for one in rows.batch.letters if one.reason is not RejectReason.TIME_TOO_OLD]
            self._commit(rows._replace(batch=replace(rows.batch, letters=letters)), None, None)
            if self._stop.is_set():
                return False
        return True

    def _take_all(self, database: Database[Any], gather: Callable[[], Future[_GatheredChanges]]) -> None:
        saved, coming = time.monotonic(), gather()
        try:
            while not self._stop.is_set():
                changes, token = coming.result()
                coming = gather()  # while the database takes some changes, MongoDB sends the next
                if changes:
                    self._take(changes, database, token)
                elif time.monotonic() - saved < TOKEN_SECONDS:
                    continue
                else:
                    self._store.commit_token(token)
                saved = time.monotonic()
        finally:
            wait([coming])  # a stream may be used by one thread at a time, and the caller closes it next

    def _gather(self, stream: ChangeStream[Any]) -> _GatheredChanges:
        """Return the next changes (none if none came within AWAIT_MS) and the resume token behind them."""
        changes: list[Change] = []
        deadline = time.monotonic() + GATHER_SECONDS
        while len(changes) < GATHERED and not self._stop.is_set():
            change = stream.try_next()
            if change is None:
                break
            if change["operationType"] in ENDS:
                raise _InvalidatedError
            changes.append(change)
            if time.monotonic() > deadline:
                break
        self._show(changes)
        return _GatheredChanges(changes, _token(stream))

    def _show(self, changes: Sequence[Change]) -> None:
        lags = dict.fromkeys(self._reader.collections, 0.0)
        if changes:
            lag = max(0, self._now_ms() - moment(changes[-1])) / 1000
            lags = dict.fromkeys(lags, lag)
        for collection, lag in lags.items():
            self._metrics.changestream_lag.labels(self._cluster, collection).set(lag)
        for collection, count in Counter(str(change["ns"]["coll"]) for change in changes).items():
            self._metrics.changestream_changes.labels(self._cluster, collection).inc(count)

    def _take(self, changes: Sequence[Change], database: Database[Any], token: str | None) -> None:
        """Commit the rows of the changes. Find a change that the database refuses by halving, and set it aside."""
        rows = self._reader.read(changes, database, self._store, self._now_ms())
        until_ms = moment(changes[-1]) or None
        try:
            self._commit(rows, token, until_ms)
        except BadRowError as error:
            self._store.lead()
            if len(changes) > 1:
                half = len(changes) // 2
                self._take(changes[:half], database, None)
                self._take(changes[half:], database, token)
            else:
                self._note("bad_row", error.sqlstate)
                self._set_aside(rows, token, until_ms, error.sqlstate)

    def _set_aside(self, rows: FeedRows, token: str | None, until_ms: int | None, sqlstate: str) -> None:
        refused: list[MailEvent | Record] = [*rows.batch.events, *rows.batch.records, *rows.messages]
        letters = [*rows.batch.letters, *(letter_of_row(row, sqlstate) for row in refused)]
        try:
            self._commit(FeedRows(Batch(letters=letters)), token, until_ms)
        except BadRowError:
            self._store.lead()
            self._store.commit_token(token, until_ms)

    def _commit(self, rows: FeedRows, token: str | None, until_ms: int | None) -> None:
        """Commit the rows. Set those aside whose characters the database's encoding lacks."""
        try:
            self._commit_all(rows, token, until_ms)
        except UntranslatableError as error:
            self._store.lead()
            self._commit_all(fitting(rows, error.lacking, error.sqlstate), token, until_ms)

    def _commit_all(self, rows: FeedRows, token: str | None, until_ms: int | None) -> None:
        written = self._store.commit(rows.batch, token, until_ms=until_ms, messages=rows.messages, entries=rows.entries)
        tell(self._listeners, written)


def open_stream(database: Database[Any], reader: ChangeReader, token: str | None) -> ChangeStream[Any]:
    """Open the change stream of `reader`, from the resume token on, or from now if it is None.
    Raise the driver's errors.
    """
    collections, alone = list(reader.collections), reader.alone
    wanted = {"$or": [{"ns.coll": {"$in": collections}}, {"operationType": {"$in": list(ENDS)}}]}
    stages: list[Mapping[str, Any]] = [{"$match": wanted}, *reader.stages]
    after = None if token is None else json_util.loads(token)
    try:
        return database.watch(stages, resume_after=after, batch_size=GATHERED, max_await_time_ms=AWAIT_MS)
    except OperationFailure as error:
        if error.code != UNAUTHORIZED or alone is None:
            raise
    # The user's role may allow one collection only. The feed then reports less.
    return database[alone].watch(stages, resume_after=after, batch_size=GATHERED, max_await_time_ms=AWAIT_MS)


def _ahead(call: Callable[[], _GatheredChanges]) -> Future[_GatheredChanges]:
    """Run a call in a daemon thread. Python waits for an executor's threads when it exits, but not for this one."""
    future: Future[_GatheredChanges] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001  # `result()` raises it
            future.set_exception(error)

    threading.Thread(target=run, name="changes", daemon=True).start()
    return future


def _token(stream: ChangeStream[Any]) -> str | None:
    token = stream.resume_token
    return None if token is None else json_util.dumps(token)
