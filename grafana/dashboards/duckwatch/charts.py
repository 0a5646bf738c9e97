"""The panels that this dashboard's rows share: verdicts, and charts that are a third of the page wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.fields import Card, Colour, Scale, Step
from grafana.panels import Style, stat, timeseries
from grafana.targets import PromQL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana.fields import Json, Override

HERE = 'mail_cluster=~"$cluster"'
LATE = (Step(Colour.GOOD), Step(Colour.WATCH, 60), Step(Colour.BAD, 300))
"""Seconds. A plugin sends a heartbeat every 30 s, and an event is committed within a second or two."""
NONE_YET = "none since the collector started"
NO_COLLECTOR = "no collector"
ANY_IS_BAD = (Step(Colour.GOOD), Step(Colour.BAD, 1))
NONE_IF_SCRAPED = "0 * max(duckwatch_build_info)"
"""The 0 of a counter that has not counted yet. Without a collector there is none, because nobody has counted."""


def now(number: int, title: str, description: str, expr: str, scale: Scale) -> Json:
    """Return a stat panel with one number, evaluated at the end of the range."""
    card = Card(id=number, title=title, description=description, width=4, height=4, empty=NO_COLLECTOR)
    return stat(card, [PromQL(expr, title, instant=True)], scale, course=False)


def course(
    number: int,
    title: str,
    description: str,
    targets: Sequence[PromQL],
    scale: Scale,
    *,
    style: Style = Style.LINES,
    overrides: Sequence[Override] = (),
    empty: str = "",
    width: int = 8,
) -> Json:
    """Return a time series panel, by default a third of the page wide. `empty` is that of the card."""
    card = Card(id=number, title=title, description=description, width=width, height=8, empty=empty)
    return timeseries(card, targets, scale, style=style, overrides=overrides)


def quantiles(histogram: str, where: str = "") -> list[PromQL]:
    """Return the targets for the median, the 95th and the 99th percentile of a histogram."""
    quantiles = ((0.5, "p50", "A"), (0.95, "p95", "B"), (0.99, "p99", "C"))
    return [PromQL.quantile(share, histogram, name, where=where, ref=ref) for share, name, ref in quantiles]
