"""Pushes the dashboards into a running Grafana: reads what it has, plans, and saves."""

from __future__ import annotations

import asyncio
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from duckwatch.base import output
from duckwatch.base.errors import ConfigError, Fault
from grafana.generate import build_all
from grafana.push import sources
from grafana.push.answers import FolderAnswer, GrafanaHealth, Permissions, SavedDashboard, StoredSource
from grafana.push.client import GrafanaApi, GrafanaError, connected, path_of
from grafana.push.lines import dashboard_line, folder_line, planned_lines
from grafana.push.plan import HIDDEN, Action, PlannedDashboard, Target, digest, missing_permissions, planned
from grafana.push.reading import read_dashboard, read_target, read_titles
from grafana.push.text import called

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana.config import GrafanaSettings
    from grafana.fields import Json

REMEDY: Final = "give its service account the role Editor, or the permission Edit on the folder"

CHANGED_MEANWHILE: Final = "version-mismatch"
"""The status text of a 412: the uid is taken, or its stored version is not the one that was sent."""


def push(settings: GrafanaSettings, *, dry_run: bool) -> bool:
    """Push every dashboard, or print what a push would do. Return False when a dashboard is refused.

    Raise ConfigError without a URL or a token, and GrafanaError when Grafana cannot be used.
    """
    url = settings.push_url or settings.url
    given = {"grafana.push_url": url, "grafana.token": settings.token}
    if missing := [Fault(key, "must be set for a push") for key, value in given.items() if value is None]:
        raise ConfigError(missing)
    assert url is not None
    assert settings.token is not None
    return asyncio.run(_push(settings, url, dry_run=dry_run))


async def _push(settings: GrafanaSettings, url: str, *, dry_run: bool) -> bool:
    assert settings.token is not None
    async with connected(url, settings.token) as api:
        try:
            return await _Push(api, settings).run(dry_run=dry_run)
        except RecursionError:  # a dashboard that is nested just less deeply than the decoder allows
            raise GrafanaError(f"{url}: an answer is nested too deeply for one of Grafana's") from None


class _Push:
    """One push into one Grafana."""

    def __init__(self, api: GrafanaApi, settings: GrafanaSettings) -> None:
        self._api = api
        self._settings = settings
        self._pages = list(build_all(settings.settings()).values())
        self._permissions: Permissions = {}

    async def run(self, *, dry_run: bool) -> bool:
        """Push, or print what a push would do. Return False when a dashboard is refused."""
        await self._api.greet(path_of("health"), GrafanaHealth)
        whose = path_of("access-control", "user", "permissions", reloadcache="true")
        self._permissions = await self._api.get(whose, Permissions)
        await self._check_sources()
        target = await read_target(self._api, self._settings)
        titles = await read_titles(self._api, target)
        known = [(page, await read_dashboard(self._api, page, target, self._permissions)) for page in self._pages]
        steps = [planned(page, one, target, titles, self._permissions) for page, one in known]
        if missing := missing_permissions(steps, target, self._permissions):
            lacks = f"the token lacks the permission {', '.join(missing)}"
            if not dry_run:
                raise GrafanaError(f"{lacks}; {REMEDY}; nothing was pushed")
            output.complain(f"warning: {lacks}; a push with this token would write nothing")
        return _print_plan(steps, target) if dry_run else await self._carry_out(steps, target)

    async def _check_sources(self) -> None:
        chosen = self._settings.settings().datasources
        if not chosen and "datasources:read" not in self._permissions:
            return  # The viewer chooses the data sources, and this token may not see them.
        found = await self._api.get(path_of("datasources"), list[StoredSource])
        if faults := sources.faults(chosen, found):
            raise GrafanaError("\n".join(faults))
        for kind in sources.unserved(self._pages, found):
            output.complain(f"warning: Grafana has no data source of type {kind}; panels that need one stay empty")

    async def _carry_out(self, steps: Sequence[PlannedDashboard], target: Target) -> bool:
        if target.folder is None and _writes(steps):
            target = Target(await self._made_folder(), target.title)
            sys.stdout.write(f"{folder_line('created', target)}\n")
        refused = False
        for step in steps:
            verb, detail = await self._carried_out(step, target)
            sys.stdout.write(f"{dashboard_line(verb, step, detail)}\n")
            sys.stdout.flush()
            refused = refused or verb == "refused"
        return not refused

    async def _made_folder(self) -> FolderAnswer:
        path, title = path_of("folders"), self._settings.folder
        uid = {} if self._settings.folder_uid is None else {"uid": self._settings.folder_uid}
        answer = await self._api.ask("POST", path, {"title": title, **uid})
        if answer.status in (409, 412):
            raise GrafanaError(
                f"the folder {called(title)} cannot be made{self._api.reason(answer)}; if a folder has this title "
                "or this uid already, the token lacks the permission folders:read for it"
            )
        return self._api.decoded(path, answer, FolderAnswer)

    async def _carried_out(self, step: PlannedDashboard, target: Target) -> tuple[str, str]:
        """Save a dashboard if it has to be saved. Return the verb and the detail of its line."""
        if step.action is Action.KEEP:
            return "unchanged", ""
        if step.action is Action.REFUSE:
            return "refused", step.reason
        # A version is sent, and never `overwrite`: with that Grafana would replace another dashboard of the same title.
        page = step.page if step.version is None else {**step.page, "version": step.version}
        body = {"dashboard": page, "folderUid": target.uid, "message": _message_of(step.page)}
        path = path_of("dashboards", "db")
        answer = await self._api.ask("POST", path, body)
        if answer.status != 200:
            return "refused", self._refusal(step, answer.complaint.status) or f"Grafana says{self._api.reason(answer)}"
        saved = self._api.decoded(path, answer, SavedDashboard)
        return ("created", "") if step.action is Action.CREATE else ("updated", f"version {saved.version}")

    def _refusal(self, step: PlannedDashboard, status: str) -> str:
        """Return why Grafana did not save, for the statuses that it names."""
        if status == "name-exists":
            return "another dashboard of the folder has the same title; rename it, or set grafana.title_prefix"
        if status != CHANGED_MEANWHILE:
            return ""
        if step.action is Action.CREATE:
            return HIDDEN
        return "somebody saved it at the same moment; push again"


def _writes(steps: Sequence[PlannedDashboard]) -> bool:
    return any(step.action in (Action.CREATE, Action.UPDATE) for step in steps)


def _print_plan(steps: Sequence[PlannedDashboard], target: Target) -> bool:
    if target.folder is None and _writes(steps):
        sys.stdout.write(f"{folder_line('would create', target)}\n")
    sys.stdout.writelines(f"{line}\n" for step in steps for line in planned_lines(step))
    return all(step.action is not Action.REFUSE for step in steps)


def _message_of(page: Json) -> str:
    return f"duckwatch-dashboards push, duckwatch {version('duckwatch')}, {digest(page)}"
