"""A MongoDB server, a PostgreSQL database, and a follower between them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pymongo

from collector.feeds.mongo import Follower
from collector.metrics import Metrics
from collector.metrics.logins import LoginMetrics
from collector.metrics.mail import MailMetrics
from collector.store.backup.stream_position import FeedLostError, FeedStore
from tests.oracle.rollups import assert_equal
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.events.model.batch import WriteResult
    from collector.feeds.mongo.reader import ChangeReader
    from tests.integration.house import House
    from tests.servers.secantus import Secantus


def lead(feed: FeedStore) -> str | None:
    """Take the feed over. Return its resume token.

    Retry for a while: a server frees the lock of a closed or cut connection with a delay.
    """
    tokens: list[str | None] = []

    def is_had() -> bool:
        try:
            tokens.append(feed.lead())
        except FeedLostError:
            return False
        return True

    wait_until(is_had, "the feed's lock is free", 30)
    return tokens[0]


class FeedUnderTest:
    """One cluster's feed, built as in the collector. No follower runs yet."""

    def __init__(self, mongo: Secantus, house: House, dsn: str) -> None:
        self.mongo, self.house, self.dsn = mongo, house, dsn
        self.client: pymongo.MongoClient[Any] = pymongo.MongoClient(mongo.uri(""))
        self.metrics = Metrics()
        self._listeners: list[Callable[[WriteResult], None]] = [
            MailMetrics(self.metrics, now=time.time),
            LoginMetrics(self.metrics),
        ]
        self.follower: Follower | None = None

    def follow_with(self, reader: ChangeReader, cluster: str = "eu1") -> Follower:
        """Start a follower, and return when it follows."""
        self.follower = Follower(
            self.mongo.uri(""), reader, FeedStore(self.dsn, cluster, reader.name),
            cluster=cluster, metrics=self.metrics, listeners=self._listeners, now_ms=lambda: int(time.time() * 1000),
        )  # fmt: skip
        self.follower.start()
        self.until(lambda: self.follower is not None and self.follower.trouble is None)
        return self.follower

    def stop(self) -> None:
        """Stop the follower."""
        if self.follower is not None:
            self.follower.stop()
            self.follower = None

    def close(self) -> None:
        """End everything, and assert that the roll-ups equal the rows."""
        self.stop()
        self.client.close()
        self.house.roll_up(datetime.now(UTC))
        assert_equal(self.house.connection)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self.house.connection.execute(statement.encode()).fetchall()

    def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + 60
        while not is_so():
            assert time.monotonic() < deadline, (self.state(), self.follower and self.follower.trouble)
            time.sleep(0.05)

    def state(self) -> object:
        """Return the state to show if a wait fails."""
        return None
