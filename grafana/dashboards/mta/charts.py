"""The panels that this dashboard's rows share, and the texts of an empty one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.fields import Card, Scale, Unit
from grafana.panels import Style, timeseries
from grafana.targets import PromQL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana.fields import Json, Override

MTA = 'instance=~"$zonemta"'
DUCK = 'instance=~"$wildduck"'

NO_ZONEMTA = "no samples: nothing was counted yet, or Prometheus does not scrape ZoneMTA"
NO_WILDDUCK = "no samples: nothing was counted yet, or Prometheus does not scrape WildDuck"


def course(
    number: int,
    title: str,
    description: str,
    targets: Sequence[PromQL],
    unit: Unit,
    *,
    style: Style = Style.LINES,
    overrides: Sequence[Override] = (),
) -> Json:
    """Return a time series panel that is a third of the page wide."""
    missing = NO_ZONEMTA if MTA in targets[0].expr else NO_WILDDUCK
    card = Card(id=number, title=title, description=description, width=8, height=8, empty=missing)
    return timeseries(card, targets, Scale(unit), style=style, overrides=overrides)


def rate(metric: str, by: str, where: str, legend: str) -> list[PromQL]:
    """Return the target for the rates of a counter, added up by labels."""
    return [PromQL(f"sum by ({by}) (rate({metric}{{{where}}}[$__rate_interval]))", legend)]
