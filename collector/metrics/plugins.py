"""The gauges of each mail host's plugin, from the heartbeats of its processes (docs/metrics.md)."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from collector.metrics.labels import MAX_CLUSTERS, MAX_HOSTS, MAX_VERSIONS, OTHER, BoundedLabel, is_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from collector.events.model.batch import SeenHeartbeat, WriteResult
    from collector.metrics.catalogue import Metrics

FORGET_SECONDS = 24 * 3600
"""The metrics of a host are removed after this time without a heartbeat."""

PROCESS_MS = 2 * 60 * 1000
"""A process whose heartbeat is this much older than the newest of its host has ended: heartbeats come every 30 s.

Another process sends its spool now.
"""

AHEAD_MS = 60 * 1000
"""If a heartbeat's receipt is this much later than that of a later heartbeat, our clock was ahead."""

MAX_PROCESSES = 64

_Host = tuple[str, str]


class PluginMetrics:
    """A listener of commits. It keeps the newest heartbeat of each process, and adds up those of a host's running
    processes. It runs in the writer's thread.

    Heartbeats come in the order of their receipt, so the last one is the newest, even if the clock was wrong.
    `clock` is monotonic seconds, so that a host is forgotten only after a real day.
    """

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics, self._clock = metrics, clock
        self._heard: dict[_Host, float] = {}
        self._cluster, self._version = BoundedLabel(MAX_CLUSTERS), BoundedLabel(MAX_VERSIONS)
        self._hosts: dict[_Host, dict[str, SeenHeartbeat]] = {}

    def restore(self, heartbeats: Iterable[SeenHeartbeat]) -> None:
        """Set the gauges from the stored heartbeats. Their dropped events are not counted again."""
        known = list(heartbeats)
        for seen in known:
            self._keep(seen)
        latest = max((seen.received_at for seen in known), default=0)
        for host, processes in self._hosts.items():
            self._heard[host] = self._clock() - (latest - _newest(processes).received_at) / 1000
            self._metrics.plugin_dropped.labels(*host)  # at 0, so that what was dropped meanwhile is an increase
            self._show(host)

    def __call__(self, written: WriteResult) -> None:
        """Update the gauges with the heartbeats of a commit."""
        for seen in written.batch.heartbeats:
            self._set_back(seen.received_at)
            self._count_dropped(seen)
            host = self._keep(seen)
            if host is not None:
                self._heard[host] = self._clock()
                self._show(host)
        if written.batch.heartbeats:
            self._forget()

    def _set_back(self, received_at: int) -> None:
        """Set later receipts to `received_at`: a clock that was ahead stamped them, because they came earlier."""
        for processes in self._hosts.values():
            for process, seen in processes.items():
                if seen.received_at > received_at + AHEAD_MS:
                    processes[process] = replace(seen, received_at=received_at)

    def _host(self, seen: SeenHeartbeat) -> _Host:
        host = seen.heartbeat.host
        return self._cluster(seen.heartbeat.cluster), host if is_name(host) else OTHER

    def _keep(self, seen: SeenHeartbeat) -> _Host | None:
        host = self._host(seen)
        if host not in self._hosts and len(self._hosts) >= MAX_HOSTS:
            return None
        processes = self._hosts.setdefault(host, {})
        processes.pop(seen.heartbeat.process, None)
        processes[seen.heartbeat.process] = seen
        while len(processes) > MAX_PROCESSES:
            processes.pop(next(iter(processes)))
        return host

    def _count_dropped(self, seen: SeenHeartbeat) -> None:
        host = self._host(seen)
        before = self._hosts.get(host, {}).get(seen.heartbeat.process)
        grown = seen.heartbeat.dropped - (before.heartbeat.dropped if before is not None else 0)
        if host in self._hosts or len(self._hosts) < MAX_HOSTS:
            self._metrics.plugin_dropped.labels(*host).inc(max(0, grown))

    def _show(self, host: _Host) -> None:
        newest = _newest(self._hosts[host])
        alive = [seen for seen in self._hosts[host].values() if seen.received_at > newest.received_at - PROCESS_MS]
        self._metrics.plugin_last_seen.labels(*host).set(newest.received_at / 1000)
        self._metrics.plugin_spool_bytes.labels(*host).set(sum(seen.heartbeat.spool_bytes for seen in alive))
        self._metrics.plugin_info.remove_by_labels({"mail_cluster": host[0], "host": host[1]})
        for seen in alive:
            self._metrics.plugin_info.labels(*host, self._version(seen.heartbeat.version)).set(1)

    def _forget(self) -> None:
        for host, heard in list(self._heard.items()):
            if heard < self._clock() - FORGET_SECONDS:
                del self._hosts[host], self._heard[host]
                self._metrics.plugin_info.remove_by_labels({"mail_cluster": host[0], "host": host[1]})
                for metric in (
                    self._metrics.plugin_last_seen,
                    self._metrics.plugin_spool_bytes,
                    self._metrics.plugin_dropped,
                ):
                    metric.remove(*host)


def _newest(processes: Mapping[str, SeenHeartbeat]) -> SeenHeartbeat:
    return max(processes.values(), key=lambda seen: seen.received_at)
