"""The ZoneMTA contexts in which the plugin is loaded, as its processes report them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.store.database.sql import query

if TYPE_CHECKING:
    import psycopg


def plugin_contexts(connection: psycopg.Connection) -> dict[tuple[str, str], frozenset[str]]:
    """Return the contexts by (cluster, host), of processes that reported within five minutes.

    A host whose plugin is too old to name its contexts is absent. Raise `psycopg.Error`.
    """
    hosts: dict[tuple[str, str], frozenset[str]] = {}
    for cluster, host, named in connection.execute(query("plugin_contexts")).fetchall():
        if named:
            hosts[cluster, host] = hosts.get((cluster, host), frozenset()).union(map(str, named))
    return hosts
