"""Reads what a Grafana has: data sources, the folder, its dashboards, and the dashboards of our uids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from grafana.push.answers import (
    DashboardHistory,
    FolderAnswer,
    FoundDashboard,
    StoredDashboard,
    Versions,
)
from grafana.push.client import GrafanaApi, path_of
from grafana.push.plan import ExistingDashboard, Target, push_differences

if TYPE_CHECKING:
    from grafana.config import GrafanaSettings
    from grafana.fields import Json
    from grafana.push.answers import Permissions

PAGE: Final = 1000
"""The number of folders or dashboards that one request asks for. Grafana allows 5000 dashboards."""

MOST_PAGES: Final = 100


async def read_target(api: GrafanaApi, settings: GrafanaSettings) -> Target:
    """Return the folder, without an answer if it does not exist or the token may not read it.

    It is found by `grafana.folder_uid`, without that by its title among the folders at the top.
    """
    uid = settings.folder_uid or await _uid_of_title(api, settings.folder)
    if uid is None:
        return Target(None, settings.folder)
    path = path_of("folders", uid)
    answer = await api.ask("GET", path)
    # Without a permission on the folder Grafana 10.1 answers 403, whether the folder exists or not.
    found = None if answer.status in (403, 404) else api.decoded(path, answer, FolderAnswer)
    return Target(found, settings.folder)


async def read_titles(api: GrafanaApi, target: Target) -> list[FoundDashboard]:
    """Return the dashboards of the folder that the token may read."""
    if target.uid is None:
        return []
    titles: list[FoundDashboard] = []
    for page in range(1, MOST_PAGES + 1):
        # Grafana 10.1 ignores `folderUIDs`, so its answer has the dashboards of other folders too.
        path = path_of("search", type="dash-db", folderUIDs=target.uid, limit=PAGE, page=page)
        found = await api.get(path, list[FoundDashboard])
        titles += (one for one in found if one.folder_uid == target.uid)
        if len(found) < PAGE:
            break
    return titles


async def read_dashboard(api: GrafanaApi, page: Json, target: Target, permissions: Permissions) -> ExistingDashboard:
    """Return what Grafana has under this dashboard's uid."""
    path = path_of("dashboards", "uid", page["uid"])
    answer = await api.ask("GET", path)
    if answer.status == 403:
        # A token that may read no dashboard at all gets 403 for one that does not exist, too.
        return ExistingDashboard(is_hidden="dashboards:read" in permissions)
    if answer.status == 404:
        return ExistingDashboard()
    stored = api.decoded(path, answer, StoredDashboard)
    message = await _message(api, page["uid"]) if any(push_differences(page, stored, target)) else ""
    return ExistingDashboard(stored, message=message)


async def _uid_of_title(api: GrafanaApi, title: str) -> str | None:
    for page in range(1, MOST_PAGES + 1):
        path = path_of("folders", limit=PAGE, page=page)
        answer = await api.ask("GET", path)
        if answer.status == 403:  # a token that may read no folder at all
            break
        found = api.decoded(path, answer, list[FolderAnswer])
        for folder in found:
            if folder.title == title:
                return folder.uid
        if len(found) < PAGE:
            break
    return None


async def _message(api: GrafanaApi, uid: str) -> str:
    """Return the message of the dashboard's newest version, empty for a token that may not read it."""
    path = path_of("dashboards", "uid", uid, "versions", limit=1)
    answer = await api.ask("GET", path)
    if answer.status != 200:
        return ""
    found = api.decoded(path, answer, Versions)
    versions = found.versions if isinstance(found, DashboardHistory) else found
    return versions[0].message if versions else ""
