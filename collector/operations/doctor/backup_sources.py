"""The checks of the backup sources: same cluster names as the plugins, MongoDB's change streams, GELF's senders."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final, NamedTuple

import psycopg

from collector.errors import StoreUnavailableError
from collector.events.border.decoding import DEFAULT_CLUSTER
from collector.finding import fault, ok, printable, skipped, warning
from collector.store.database.connection import scalar
from collector.store.database.sql import query
from duckwatch.base.config.addresses import unmapped
from duckwatch.base.listening import EVERY_IPV6

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from collector.config import CollectorSettings
    from collector.finding import Finding
    from collector.operations.doctor.installation import Installation
    from duckwatch.base.config.addresses import Endpoint, Endpoints, Network

MOST_NAMES: Final = 10
WIDE: Final = {4: 8, 6: 20}
"""Prefix lengths: a public network this wide does not belong to one operator."""


class ClusterNames(NamedTuple):
    """The cluster names, by who uses them.

    `feeds` are by their configuration key. `credentials` are those that tokens and HMAC secrets fix; `leaves_it` says
    whether a credential lets its sender choose. `plugins` are the names that plugins reported within a day.
    """

    feeds: Mapping[str, str]
    credentials: AbstractSet[str]
    leaves_it: bool
    plugins: AbstractSet[str] = frozenset()


def clusters(installation: Installation) -> Iterator[Finding]:
    """Check that tokens, HMAC secrets, plugins and feeds use the same cluster names: events under two names are never
    matched.
    """
    names = names_of(installation.settings)
    if not names.feeds:
        yield ok("no feed: neither collector.mongo nor collector.gelf is set")
        return
    yield from compare_cluster_names(names._replace(plugins=_reported(installation)))


def names_of(settings: CollectorSettings) -> ClusterNames:
    """Return the names in the settings."""
    feeds = {f"collector.mongo[{index}]": one.cluster for index, one in enumerate(settings.mongo)}
    if settings.gelf is not None:
        feeds["collector.gelf"] = settings.gelf.cluster
    auth = settings.auth
    bound = [one.cluster for one in auth.tokens] + [one.cluster for one in auth.hmac_secrets]
    return ClusterNames(feeds, {one for one in bound if one is not None}, auth.is_open or None in bound)


def compare_cluster_names(names: ClusterNames) -> Iterator[Finding]:
    """Yield a finding for each feed whose cluster no sender names, or one that says all names match."""
    senders = names.credentials | names.plugins
    strangers = {
        key: cluster
        for key, cluster in names.feeds.items()
        if cluster not in senders and not (names.leaves_it and cluster == DEFAULT_CLUSTER)
    }
    alone = sorted(senders - set(names.feeds.values()))
    for key, cluster in strangers.items():
        what = f"{key} names the cluster {cluster}"
        if alone:
            yield fault(
                f"{what}, which no sender does, and senders name {_some(alone)}, which no feed does",
                "if they are the same mail system give both one name (there, at the token, or in the plugin's "
                "settings): "
                "events under two names are stored twice",
            )
        elif names.leaves_it and not names.plugins:
            yield skipped(f"{what}; its plugins name their cluster with their first heartbeat")
        else:
            yield warning(
                f"{what}, which no token, no HMAC secret and no plugin does",
                f"give the token of its ZoneMTA `cluster: {cluster}`; where no plugin is loaded, load it: the feed "
                "knows less",
            )
    if not strangers:
        yield ok(f"feeds and senders name {_some(sorted(set(names.feeds.values())))} alike")


def _reported(installation: Installation) -> set[str]:
    """Return the cluster names that plugins reported; none without a database, which other checks report."""
    try:
        with installation.database() as connection:
            if scalar(connection, "SELECT to_regclass('plugin_reports')") is None:
                return set()
            return {printable(row[0]) for row in connection.execute(query("reports")).fetchall()}
    except (StoreUnavailableError, psycopg.Error):
        return set()


def _some(names: Collection[str]) -> str:
    shown = [*names][:MOST_NAMES]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")


def mongodb(installation: Installation) -> Iterator[Finding]:
    """Check that each cluster's MongoDB answers, has change streams, and lets its user follow them."""
    if not installation.settings.mongo:
        yield ok("off: no collector.mongo")
        return
    from collector.operations.doctor import mongo  # noqa: PLC0415  # pymongo is not even imported where it is not used

    for one in installation.settings.mongo:
        yield from mongo.examine_mongo(one)


def gelf(installation: Installation) -> Iterator[Finding]:
    """Check that the intended senders of GELF can send, and strangers cannot: GELF has no credentials."""
    settings = installation.settings.gelf
    if settings is None:
        yield ok("off: no collector.gelf")
        return
    found = [*_too_wide(settings.allow)]
    for key, listen in (("udp", settings.udp), ("tcp", settings.tcp)):
        if listen is not None and settings.allow:
            found += _unreachable(f"collector.gelf.{key}", listen, settings.allow)
    inputs = " and ".join(f"{key} {one}" for key, one in (("udp", settings.udp), ("tcp", settings.tcp)) if one)
    yield from found or [ok(f"{inputs}, from {_some([*map(str, settings.allow)]) or 'this machine'}")]


def _too_wide(allow: Collection[Network]) -> Iterator[Finding]:
    for network in allow:
        if network.prefixlen == 0:
            yield fault(
                f"collector.gelf.allow lets every address send ({network}): any client that reaches the port can "
                "forge events",
                "name the networks of the mail hosts, like 10.0.0.0/8",
            )
        elif network.prefixlen <= WIDE[network.version] and not network.is_private:
            yield warning(
                f"collector.gelf.allow has {network}, {network.num_addresses} public addresses",
                "name the networks of the mail hosts alone",
            )


def _unreachable(key: str, listen: Endpoint | Endpoints, allow: Collection[Network]) -> Iterator[Finding]:
    """Yield a finding if no network that may send can reach any of the addresses listened on."""
    versions = set().union(*(_versions(one.host) for one in listen.each))
    usable = [network for network in allow if network.version in versions]
    if not usable:
        (version,) = versions
        yield fault(
            f"{key} listens by IPv{version}, and collector.gelf.allow has no such network: no client may send there",
            f"allow the IPv{version} networks of the mail hosts, or listen by the other protocol",
        )
    elif listen.is_loopback and not any(network.is_loopback for network in usable):
        yield fault(
            f"{key} is a loopback address, and collector.gelf.allow has none: no client may send there",
            "listen on an address that the mail hosts reach, or allow 127.0.0.0/8",
        )
    elif not any(one.is_loopback for one in listen.each) and all(network.is_loopback for network in usable):
        yield warning(
            f"{key} is open to the network, and collector.gelf.allow has no network there",
            "listen on 127.0.0.1, or allow the networks of the mail hosts",
        )


def _versions(host: str) -> set[int]:
    """Return the IP versions that reach this host. A name may have either; `::` accepts both."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return {4, 6}
    return {4, 6} if host == EVERY_IPV6 else {unmapped(address).version}
