"""The answers of Grafana's HTTP API that `push` reads. Decoding them checks every type."""

from __future__ import annotations

from typing import Any

import msgspec


class FolderAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """A folder. Only the answer about a single folder says whether the token may save in it."""

    uid: str
    title: str
    can_save: bool = True


class FoundDashboard(msgspec.Struct, frozen=True, rename="camel"):
    """A dashboard in the answer of a search."""

    uid: str
    title: str
    folder_uid: str = ""


class DashboardMeta(msgspec.Struct, frozen=True, rename="camel"):
    """What Grafana knows of a stored dashboard. `provisioned`: a file provides it, and the API cannot change it."""

    version: int = 0
    folder_uid: str = ""
    folder_title: str = ""
    provisioned: bool = False
    provisioned_external_id: str = ""
    is_folder: bool = False
    can_save: bool = True


class StoredDashboard(msgspec.Struct, frozen=True):
    """A dashboard as Grafana stores it."""

    dashboard: dict[str, Any]
    meta: DashboardMeta


class StoredVersion(msgspec.Struct, frozen=True):
    """An entry of a dashboard's history."""

    version: int = 0
    message: str = ""


class DashboardHistory(msgspec.Struct, frozen=True):
    """A dashboard's versions, newest first. Before Grafana 11 the answer is the list alone."""

    versions: list[StoredVersion] = []


Versions: Any = list[StoredVersion] | DashboardHistory


class StoredSource(msgspec.Struct, frozen=True):
    """A data source. `type` is the id of its plugin."""

    uid: str
    name: str
    type: str


class SavedDashboard(msgspec.Struct, frozen=True):
    """The answer to a saved dashboard."""

    version: int = 0


class GrafanaHealth(msgspec.Struct, frozen=True):
    """The answer of `/api/health`, which needs no token. No other program has this form."""

    database: str


class RefusalReason(msgspec.Struct, frozen=True):
    """The reason of a status that is not 200."""

    message: str = ""
    status: str = ""


Permissions = dict[str, list[str]]
"""The scopes of each action that the token may do."""
