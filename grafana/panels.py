"""The typed wrapper of grafanalib: the kinds of panels that grafanalib writes in Grafana's current form, as JSON.

No other module imports grafanalib, because its classes have no annotations. `more_panels` has the other kinds.
A panel's id, description and unit are required arguments.
The wrapper removes grafanalib's `maxDataPoints` of 100, which would make charts coarse; windows of Grafana Live set it.
`normalise` removes the other keys that Grafana does not want.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING

import grafanalib.core as lib
from grafanalib._gen import DashboardEncoder

from grafana.fields import Card, Json, Override, Scale, State, Unit
from grafana.parts import PLAIN_STEPS, asking, defaults, head, mappings, nothing, overrides_json, steps
from grafana.targets import Live

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana.targets import Target


class Style(StrEnum):
    """How a time series is drawn: lines for values, stacked bars for counts per bin, areas for parts of a whole."""

    LINES = "lines"
    STEPS = "steps"
    BARS = "stacked bars"
    AREAS = "stacked areas"
    SHARES = "stacked areas of 100 %"


STYLES: dict[Style, Json] = {
    Style.LINES: {"fillOpacity": 10},
    Style.STEPS: {"fillOpacity": 10, "lineInterpolation": "stepAfter"},
    Style.BARS: {"drawStyle": "bars", "fillOpacity": 80, "stacking": {"mode": "normal", "group": "A"}},
    Style.AREAS: {"fillOpacity": 60, "stacking": {"mode": "normal", "group": "A"}},
    Style.SHARES: {"fillOpacity": 60, "stacking": {"mode": "percent", "group": "A"}},
}


NULLS_STAY_EMPTY = Override("/.*/", (("noValue", "\u200b"),), "byRegexp")
"""The text for a panel without rows must not stand in each empty cell of a table, or at each tick that Grafana leaves
empty on a logarithmic axis. It is a zero width space, because a chart reads the empty text and blanks as the number 0
(Grafana's `nullToValue`) and would draw that for each missing value.
"""


def timeseries(
    card: Card,
    targets: Sequence[Target],
    scale: Scale,
    *,
    style: Style = Style.LINES,
    log: bool = False,
    legend: Sequence[str] = (),
    overrides: Sequence[Override] = (),
    links: Sequence[Json] = (),
) -> Json:
    """Return a chart of values over time, with thresholds as dashed lines. `log` is for latencies, whose range is wide.

    With `legend` (calculations such as `lastNotNull`, `max`, `sum`) the legend is a table on the right.
    Grafana shows `links` when the viewer clicks a point.
    """
    table_legend = {"legendDisplayMode": "table", "legendPlacement": "right", "legendCalcs": [*legend]}
    floor = {} if log or scale.minimum is not None else {"min": 0}
    built = lib.TimeSeries(
        **_common(card, targets),
        **STYLES[style],
        **(table_legend if legend else {}),
        thresholds=steps(scale.thresholds),
        overrides=overrides_json([NULLS_STAY_EMPTY, *overrides]),
        showPoints="never",
        tooltipMode="multi",
        tooltipSort="desc",
        thresholdsStyleMode="dashed" if scale.thresholds else "off",
        scaleDistributionType="log" if log else "linear",
        scaleDistributionLog=10,
        extraJson=_defaults({"noValue": nothing(card, targets), **floor, **defaults(scale, links=links)}),
    )
    return _plain(built)


def stat(
    card: Card,
    targets: Sequence[Target],
    scale: Scale,
    *,
    named: bool | None = None,
    course: bool = True,
    states: Sequence[State] = (),
    overrides: Sequence[Override] = (),
    links: Sequence[Json] = (),
) -> Json:
    """Return one big number for each series or column: its last value, coloured by the thresholds.

    `course` draws the values over time behind it. Without thresholds, or without a number, it has no colour.
    `named` shows the names of the values; by default only a panel with several targets shows them.
    """
    several = len(targets) > 1 if named is None else named
    missing = scale.empty or nothing(card, targets)
    built = lib.Stat(
        **_common(card, targets),
        format=scale.unit.value,
        thresholds=steps(scale.thresholds) or PLAIN_STEPS,
        overrides=overrides_json(overrides),
        color={"mode": "thresholds"},
        graphMode="area" if course else "none",
        # A rate that is null now must show `empty`, not an older value.
        reduceCalc="last" if scale.empty else "lastNotNull",
        textMode="value_and_name" if several else "value",
        # Without the mapping, the text would have the colour of the first threshold, which is green.
        mappings=mappings(states, missing if scale.thresholds else scale.empty),
        noValue=missing,
        extraJson=_defaults(defaults(scale, links=links)),
    )
    return _plain(built)


def table(
    card: Card,
    targets: Sequence[Target],
    *,
    overrides: Sequence[Override] = (),
    transformations: Sequence[Json] = (),
    sort: tuple[str, bool] | None = None,
) -> Json:
    """Return a table of the query's rows. Overrides set the columns' names, units and widths (`columns.column`).

    `sort` is the header of a column, and whether the largest value comes first. Without it, the query sets the order.
    """
    options: Json = {"cellHeight": "sm"}
    if sort is not None:
        options["sortBy"] = [{"displayName": sort[0], "desc": sort[1]}]
    built = lib.Table(
        **_common(card, targets),
        unit=Unit.NONE.value,
        filterable=True,
        overrides=overrides_json([NULLS_STAY_EMPTY, *overrides]),
        transformations=[*transformations],
        extraJson={"options": options, **_defaults({"noValue": nothing(card, targets)})},
    )
    return _plain(built)


def state_timeline(
    card: Card,
    targets: Sequence[Target],
    states: Sequence[State],
    *,
    transformations: Sequence[Json] = (),
    overrides: Sequence[Override] = (),
    links: Sequence[Json] = (),
) -> Json:
    """Return a row for each series, coloured by its state. A state lasts until the next value."""
    built = lib.StateTimeline(
        **_common(card, targets),
        # With the mode `thresholds` Grafana would ignore the mappings.
        colorMode="palette-classic",
        mappings=mappings(states),
        showValue="never",
        transformations=[*transformations],
        overrides=overrides_json(overrides),
        extraJson=_defaults(defaults(Scale(Unit.NONE), links=links)),
    )
    return _plain(built)


def bar_chart(
    card: Card,
    targets: Sequence[Target],
    scale: Scale,
    *,
    x: str,
    stacked: bool = False,
    horizontal: bool = False,
    overrides: Sequence[Override] = (),
    transformations: Sequence[Json] = (),
    links: Sequence[Json] = (),
) -> Json:
    """Return bars of a table's number columns, in one group for each value of the column `x`."""
    built = lib.BarChart(
        **_common(card, targets),
        orientation="horizontal" if horizontal else "vertical",
        stacking="normal" if stacked else "none",
        showValue="never",
        tooltipMode="multi",
        thresholdSteps=steps(scale.thresholds) or PLAIN_STEPS,
        overrides=overrides_json(overrides),
        transformations=[*transformations],
        extraJson={**_defaults(defaults(scale, links=links)), "options": {"xField": x}},
    )
    return _plain(built)


def histogram(card: Card, targets: Sequence[Target], scale: Scale, *, bucket: int = 0) -> Json:
    """Return a histogram of the rows' values. `bucket` is the width of a bar (0: Grafana chooses)."""
    built = lib.Histogram(
        **_common(card, targets),
        bucketSize=bucket,
        combine=True,
        colorMode="palette-classic",
        extraJson=_defaults(defaults(scale)),
    )
    return _plain(built)


def _common(card: Card, targets: Sequence[Target]) -> Json:
    """Return the arguments that every panel class of grafanalib takes."""
    rows = [target.rows for target in targets if isinstance(target, Live)]
    out = {**head(card), **asking(targets), "maxDataPoints": max(rows, default=None)}
    place = out["gridPos"]
    out["gridPos"] = lib.GridPos(**place)
    out["dataSource"] = out.pop("datasource")
    return out


def _defaults(said: Json) -> Json:
    return {"fieldConfig": {"defaults": said}}


def _plain(built: object) -> Json:
    plain: Json = json.loads(json.dumps(built, cls=DashboardEncoder, allow_nan=False))
    return plain
