"""The paths of what `make servers` installs: Debian 13 tree, its commands, npm projects (tests/servers/install.sh)."""

from __future__ import annotations

import os
from pathlib import Path

from tests.servers.missing import MissingServerError

SERVERS = Path(os.environ.get("DUCKWATCH_SERVERS") or "/var/lib/duckwatch-servers")
TREE = SERVERS / "trixie"
ZONEMTA = SERVERS / "zonemta"
WILDDUCK = SERVERS / "wildduck"
NEWEST_WILDDUCK = SERVERS / "wildduck_newest"
COMMUNITY = SERVERS / "community"


def command(name: str) -> Path:
    """Return the host's command for a program of the tree. Raise `MissingServerError`."""
    path = SERVERS / "bin" / name
    if not path.exists():
        raise MissingServerError(f"{name} is not installed: run `make servers` (as root, on Debian)")
    return path


def tree() -> Path:
    """Return the Debian 13 tree. Raise `MissingServerError`."""
    if not (SERVERS / "trixie.installed").exists():
        raise MissingServerError("TimescaleDB is not installed: run `make servers` (as root, on Debian)")
    return TREE


def zonemta() -> Path:
    """Return the npm project that ZoneMTA is installed in. Raise `MissingServerError`."""
    if not (SERVERS / "zonemta.installed").exists():
        raise MissingServerError("ZoneMTA is not installed: run `make servers` (as root, on Debian)")
    return ZONEMTA


def wildduck() -> Path:
    """Return the npm project that WildDuck is installed in. Raise `MissingServerError`."""
    if not (SERVERS / "wildduck.installed").exists():
        raise MissingServerError("WildDuck is not installed: run `make servers` (as root, on Debian)")
    return WILDDUCK


def newest_wildduck() -> Path:
    """Return the npm project of the WildDuck that has metrics. Raise `MissingServerError`."""
    if not (SERVERS / "wildduck_newest.installed").exists():
        raise MissingServerError("the newest WildDuck is not installed: run `make servers` (as root, on Debian)")
    return NEWEST_WILDDUCK


def community() -> Path:
    """Return the npm project that TimescaleDB Community is installed in. Raise `MissingServerError`."""
    if not (SERVERS / "community.installed").exists():
        raise MissingServerError("TimescaleDB Community is not installed: run `make servers` (as root, on Debian)")
    return COMMUNITY


def node() -> Path:
    """Return the Node that ZoneMTA, WildDuck and TimescaleDB Community run with. Raise `MissingServerError`."""
    return command("node")


def kubernetes() -> Path:
    """Return the npm project with the schemas of Kubernetes. Raise `MissingServerError`."""
    if not (SERVERS / "kubernetes.installed").exists():
        raise MissingServerError("the schemas of Kubernetes are not installed: run `make servers` (as root, on Debian)")
    return SERVERS / "kubernetes"
