"""A MongoDB server, a database of ours, and who follows the one for the other."""

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

    from collector.events.model.batch import Written
    from collector.feeds.mongo.reader import ChangeReader
    from tests.integration.house import House
    from tests.servers.secantus import Secantus


def lead(feed: FeedStore) -> str | None:
    """Take the feed over; return its resume token. A server takes a moment to let go of the lock of a connection that
    was closed or cut.
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


class Following:
    """One cluster's feed, joined as the collector joins it. Nobody follows yet."""

    def __init__(self, mongo: Secantus, house: House, dsn: str) -> None:
        self.mongo, self.house, self.dsn = mongo, house, dsn
        self.client: pymongo.MongoClient[Any] = pymongo.MongoClient(mongo.uri(""))
        self.metrics = Metrics()
        self._listeners: list[Callable[[Written], None]] = [
            MailMetrics(self.metrics, now=time.time),
            LoginMetrics(self.metrics),
        ]
        self.follower: Follower | None = None

    def follow_with(self, reader: ChangeReader, cluster: str = "eu1") -> Follower:
        """Begins to follow, and returns once it does."""
        self.follower = Follower(
            self.mongo.uri(""), reader, FeedStore(self.dsn, cluster, reader.name),
            cluster=cluster, metrics=self.metrics, listeners=self._listeners, now_ms=lambda: int(time.time() * 1000),
        )  # fmt: skip
        self.follower.start()
        self.until(lambda: self.follower is not None and self.follower.trouble is None)
        return self.follower

    def stop(self) -> None:
        """Leaves."""
        if self.follower is not None:
            self.follower.stop()
            self.follower = None

    def close(self) -> None:
        """Ends all of it; what was stored is in the roll-ups."""
        self.stop()
        self.client.close()
        self.house.roll_up(datetime.now(UTC))
        assert_equal(self.house.connection)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What a query of our database gives."""
        return self.house.connection.execute(statement.encode()).fetchall()

    def until(self, is_so: Callable[[], bool]) -> None:
        """Waits."""
        deadline = time.monotonic() + 60
        while not is_so():
            assert time.monotonic() < deadline, (self.state(), self.follower and self.follower.trouble)
            time.sleep(0.05)

    def state(self) -> object:
        """What to show when it does not come to what a test waits for."""
        return None
