"""The lines that a push prints: one for the folder, and one for each dashboard. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.push.plan import Action
from grafana.push.text import LONGEST, called, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grafana.push.plan import PlannedDashboard, Target

WIDTH = 12
"""The width of the first column."""

PLANNED = {
    Action.CREATE: "would create",
    Action.UPDATE: "would update",
    Action.KEEP: "unchanged",
    Action.REFUSE: "refused",
}


def folder_line(verb: str, target: Target) -> str:
    """Return the line of the folder that is made."""
    return f"{verb:<{WIDTH}} folder {called(target.title)}"


def planned_lines(step: PlannedDashboard) -> Iterator[str]:
    """Yield the line of a dashboard in a dry run, then a line for each difference."""
    count = len(step.changes)
    detail = f"{count} difference{'' if count == 1 else 's'}" if step.action is Action.UPDATE else step.reason
    yield dashboard_line(PLANNED[step.action], step, detail)
    # The mark keeps a text of Grafana from the begin of a line, where a CI system may take it for a command.
    yield from (f"{'':<{WIDTH}} - {shown(change, 3 * LONGEST)}" for change in step.changes)


def dashboard_line(verb: str, step: PlannedDashboard, detail: str = "") -> str:
    """Return the line of a dashboard."""
    return f"{verb:<{WIDTH}} {step.name}" + (f": {detail}" if detail else "")
