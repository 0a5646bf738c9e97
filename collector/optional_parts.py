"""Builds the parts that run only where the settings or the environment ask for them: change streams, Live, spans."""

from __future__ import annotations

import socket
import time
from importlib.metadata import version
from typing import TYPE_CHECKING

from collector.live.publisher import Publisher
from collector.live.pushing import Pusher
from collector.live.reading import WindowSelection
from collector.routes import border_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from collector.config.feeds import MongoSettings
    from collector.config.model import CollectorSettings
    from collector.config.renewable import Connections
    from collector.events.model.batch import WriteResult
    from collector.feeds.mongo import Follower
    from collector.feeds.mongo.reader import ChangeReader
    from collector.metrics import Metrics
    from collector.telemetry import Signals
    from collector.telemetry.exporting import Telemetry


def change_feeds(
    settings: CollectorSettings,
    connections: Connections,
    metrics: Metrics,
    listeners: Sequence[Callable[[WriteResult], None]],
) -> list[Follower]:
    """Build the followers of MongoDB's change streams."""
    if not settings.mongo:
        return []
    from collector.feeds.mongo import Follower  # noqa: PLC0415  # pymongo is not even imported where it is not used
    from collector.store.backup.stream_position import FeedStore  # noqa: PLC0415

    return [
        Follower(
            uri,
            reader,
            FeedStore(connections.direct_dsn, mongo.cluster, reader.name),
            cluster=mongo.cluster,
            metrics=metrics,
            listeners=listeners,
            now_ms=lambda: time.time_ns() // 1_000_000,
        )
        for mongo, uri in zip(settings.mongo, connections.mongo, strict=True)
        for reader in change_readers(settings, mongo)
    ]


def change_readers(settings: CollectorSettings, mongo: MongoSettings) -> Iterator[ChangeReader]:
    """Yield the readers of a cluster's change streams: one for each database that is followed."""
    from collector.feeds.mongo import QueueReader, wildduck_readers  # noqa: PLC0415

    border = border_of(settings, mongo.cluster)
    if mongo.zonemta_database is not None:
        yield QueueReader(mongo.zonemta_database, mongo.queue_collection, border, settings.public_ips)
    yield from wildduck_readers(mongo, border)


def publisher(settings: CollectorSettings, connections: Connections, metrics: Metrics) -> Publisher | None:
    """Build the publisher of Grafana Live, None while it is off."""
    live, token = settings.live, connections.live_token
    if live is None or token is None:
        return None
    return Publisher(
        connections.direct_dsn,
        Pusher(live.url, live.stream, lambda: token.text),
        WindowSelection(live.watched_domains, live.top_domains),
        metrics=metrics,
        now=time.time,
    )


def build_telemetry(signals: Signals, metrics: Metrics, settings: CollectorSettings) -> Telemetry:
    """Begin to send the telemetry that the environment configures. Raise `StartError`."""
    from collector.telemetry.exporting import Telemetry  # noqa: PLC0415  # opentelemetry is not even imported while it is off

    return Telemetry(
        signals,
        metrics.registry,
        version=version("duckwatch"),
        instance=f"{socket.gethostname()}:{settings.listen.port}",
        count=lambda signal, result: metrics.telemetry_exports.labels(signal, result).inc(),
    )
