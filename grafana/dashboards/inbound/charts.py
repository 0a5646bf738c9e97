"""The panels that this dashboard's rows share, and the texts of an empty one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.fields import Card, Scale, Unit
from grafana.panels import Style, stat, timeseries
from grafana.targets import PromQL, Sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana.fields import Json, Override

HERE = 'mail_cluster=~"$cluster"'
NOT_FOLLOWED = "nothing in this time range, or WildDuck is not followed: see docs/backup-sources.md"


def now(number: int, title: str, description: str, expr: str, scale: Scale) -> Json:
    """Return a stat panel with one number, evaluated at the end of the range."""
    card = Card(id=number, title=title, description=description, width=4, height=4)
    return stat(card, [PromQL(expr, title, instant=True)], scale, course=False)


def course(
    number: int,
    title: str,
    description: str,
    targets: Sequence[PromQL | Sql],
    unit: Unit,
    *,
    width: int = 8,
    style: Style = Style.LINES,
    overrides: Sequence[Override] = (),
) -> Json:
    """Return a time series panel."""
    card = Card(id=number, title=title, description=description, width=width, height=8, empty=NOT_FOLLOWED)
    return timeseries(card, targets, Scale(unit), style=style, overrides=overrides)
