"""Decides what a push does to each dashboard, from the code's dashboards and what Grafana has. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from grafana.check import value_changes
from grafana.normalise import dumps
from grafana.push.text import called

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from grafana.fields import Json
    from grafana.push.answers import FolderAnswer, FoundDashboard, Permissions, StoredDashboard

NUMBERED = frozenset({"id", "version"})
"""The keys that Grafana sets when it saves a dashboard."""

HIDDEN = "a dashboard with this uid exists that the token may not read: dashboards:read is missing"


class Action(StrEnum):
    """What a push does to a dashboard."""

    CREATE = "create"
    UPDATE = "update"
    KEEP = "keep"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class ExistingDashboard:
    """What Grafana has under a dashboard's uid. `stored` is None when the token may not read it, or it is missing."""

    stored: StoredDashboard | None = None
    is_hidden: bool = False
    message: str = ""
    """The message of the newest version in its history, if it was asked for."""


@dataclass(frozen=True, slots=True)
class PlannedDashboard:
    """One dashboard and what happens to it. `version` is the stored version that an update replaces."""

    page: Json
    action: Action
    version: int | None = None
    reason: str = ""
    """Why it is refused, and what to do."""
    changes: tuple[str, ...] = ()
    missing: str = ""
    """The permission that the token lacks for this action, and where."""

    @property
    def name(self) -> str:
        """The uid and the title."""
        return f"{self.page['uid']} {called(self.page['title'])}"


@dataclass(frozen=True, slots=True)
class Target:
    """The folder of the dashboards. `folder` is None when it does not exist yet."""

    folder: FolderAnswer | None
    title: str

    @property
    def uid(self) -> str | None:
        """The uid, None for a folder that does not exist yet."""
        return None if self.folder is None else self.folder.uid


def planned(
    page: Json, existing: ExistingDashboard, target: Target, titles: Iterable[FoundDashboard], permissions: Permissions
) -> PlannedDashboard:
    """Return what happens to this dashboard.

    `titles` are the dashboards of the folder. A dashboard of another uid is never changed.
    """
    stored = existing.stored
    if existing.is_hidden:
        return _refused(page, HIDDEN)
    if stored is not None and (fault := _fixed(stored)):
        return _refused(page, fault)
    found = () if stored is None else tuple(push_differences(page, stored, target))
    if stored is not None and (not found or _is_pushed(page, existing, target)):
        return PlannedDashboard(page, Action.KEEP, stored.meta.version)
    if fault := _taken(page, target, titles):
        return _refused(page, fault)
    missing = lacking(stored, target, permissions)
    if stored is None:
        return PlannedDashboard(page, Action.CREATE, missing=missing)
    return PlannedDashboard(page, Action.UPDATE, stored.meta.version, changes=found, missing=missing)


def push_differences(page: Json, stored: StoredDashboard, target: Target) -> Iterable[str]:
    """Yield a line for each value that a push changes, with the value before and after."""
    if stored.meta.folder_uid != target.uid:
        yield f"folder: {called(stored.meta.folder_title)} → {called(target.title)}"
    yield from value_changes(_unnumbered(stored.dashboard), _unnumbered(page))


def lacking(stored: StoredDashboard | None, target: Target, permissions: Permissions) -> str:
    """Return the permission that the token lacks to save this dashboard, or an empty text.

    A folder inside another folder inherits permissions, which the token's list does not show: `can_save` does.
    """
    if stored is not None and not stored.meta.can_save:
        return f"dashboards:write for {called(stored.meta.folder_title)}"
    if target.folder is None or (stored is not None and stored.meta.folder_uid == target.uid):
        return ""
    scopes = {"*", "folders:*", "folders:uid:*", f"folders:uid:{target.uid}"}
    if scopes.isdisjoint(permissions.get("dashboards:create", ())) and not target.folder.can_save:
        return f"dashboards:create for {called(target.title)}"
    return ""


def missing_permissions(steps: Iterable[PlannedDashboard], target: Target, permissions: Permissions) -> list[str]:
    """Return every permission that the token lacks for these steps, each once."""
    steps = list(steps)
    writes = any(step.action in (Action.CREATE, Action.UPDATE) for step in steps)
    makes_folder = writes and target.folder is None
    folder = ["folders:create"] if makes_folder and "folders:create" not in permissions else []
    return list(dict.fromkeys([*folder, *(step.missing for step in steps if step.missing)]))


def digest(page: Json) -> str:
    """Return a short checksum of the dashboard."""
    return hashlib.sha256(dumps(_unnumbered(page)).encode()).hexdigest()[:16]


def _is_pushed(page: Json, existing: ExistingDashboard, target: Target) -> bool:
    """Return whether the newest version is this dashboard as push saved it.

    A newer Grafana may answer with a migrated dashboard, so that its content differs.
    """
    assert existing.stored is not None
    return existing.stored.meta.folder_uid == target.uid and existing.message.endswith(f" {digest(page)}")


def _fixed(stored: StoredDashboard) -> str:
    if stored.meta.is_folder:
        return "a folder has this uid"
    if stored.meta.provisioned:
        file = stored.meta.provisioned_external_id
        return f"Grafana's provisioning serves it from the file {called(file)}; remove that file, or do not push"
    return ""


def _taken(page: Json, target: Target, titles: Iterable[FoundDashboard]) -> str:
    for other in titles:
        if other.folder_uid == target.uid and other.title == page["title"] and other.uid != page["uid"]:
            return (
                f"the dashboard {called(other.uid)} of the folder has the same title; "
                "rename it, or set grafana.title_prefix or grafana.folder"
            )
    return ""


def _refused(page: Json, reason: str) -> PlannedDashboard:
    return PlannedDashboard(page, Action.REFUSE, reason=reason)


def _unnumbered(dashboard: Mapping[str, object]) -> Json:
    return {key: value for key, value in dashboard.items() if key not in NUMBERED}
