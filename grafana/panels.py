"""The typed border to grafanalib: panels and dashboards as JSON.
Nothing else imports it, since its classes are not annotated.

A panel's id, description and unit are asked for, not defaulted.
grafanalib's `maxDataPoints` of 100 would make charts coarse;
what else of its output Grafana does not want, `normalise` takes out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, assert_never

import grafanalib.core as lib
from grafanalib._gen import DashboardEncoder

from grafana.fields import (
    MIXED,
    Card,
    Colour,
    Datasource,
    DatasourceVariable,
    Override,
    Page,
    QueryVariable,
    Scale,
    Sql,
    State,
    Target,
    Unit,
)
from grafana.normalise import normalise
from grafana.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Json = dict[str, Any]

REFRESH_ON_TIME_CHANGE = 2


def timeseries(
    card: Card, targets: Sequence[Target], scale: Scale, *, bars: bool = False, overrides: Sequence[Override] = ()
) -> Json:
    """Values over time: lines, or with `bars` stacked bars (for counts per bin).

    Thresholds are drawn as dashed lines.
    """
    stacked = {"drawStyle": "bars", "fillOpacity": 80, "stacking": {"mode": "normal", "group": "A"}}
    return _plain(
        lib.TimeSeries(
            **_common(card, targets),
            **(stacked if bars else {"fillOpacity": 10}),
            unit=scale.unit.value,
            thresholds=_steps(scale),
            overrides=_overrides(overrides),
            valueMin=0,
            showPoints="never",
            tooltipMode="multi",
            tooltipSort="desc",
            thresholdsStyleMode="dashed" if scale.thresholds else "off",
        )
    )


def stat(card: Card, targets: Sequence[Target], scale: Scale, *, overrides: Sequence[Override] = ()) -> Json:
    """One big number a target: its last value, coloured by the thresholds, with its course behind it.
    One alone needs no name but the title.
    """
    return _plain(
        lib.Stat(
            **_common(card, targets),
            format=scale.unit.value,
            thresholds=_steps(scale),
            overrides=_overrides(overrides),
            color={"mode": "thresholds"},
            reduceCalc="lastNotNull",
            textMode="value_and_name" if len(targets) > 1 else "value",
            noValue="no data",
        )
    )


def table(card: Card, targets: Sequence[Target], *, overrides: Sequence[Override] = ()) -> Json:
    """Rows as the query returns them; names, units and widths of columns are overrides."""
    return _plain(
        lib.Table(
            **_common(card, targets),
            unit=Unit.NONE.value,
            filterable=True,
            overrides=_overrides(overrides),
            extraJson={"options": {"cellHeight": "sm"}},
        )
    )


def state_timeline(card: Card, targets: Sequence[Target], states: Sequence[State]) -> Json:
    """Return a panel with a row for each series, coloured by its state. A state lasts until the next value."""
    names = {
        str(state.value): {"text": state.name, "color": state.colour.value, "index": state.value} for state in states
    }
    return _plain(
        lib.StateTimeline(
            **_common(card, targets),
            # By `thresholds` Grafana would look at no mapping.
            colorMode="palette-classic",
            mappings=[{"type": "value", "options": names}],
            showValue="never",
            extraJson={"fieldConfig": {"defaults": {"unit": Unit.NONE.value}}},
        )
    )


def column(
    name: str, header: str, width: int | None, *, unit: Unit | None = None, words: Mapping[str, Colour] | None = None
) -> Override:
    """Return a table's column: its header, width, unit, and the colours of some words in it.

    A column without a width takes what the others leave.
    """
    properties: list[tuple[str, Any]] = [("displayName", header)]
    if width is not None:
        properties.append(("custom.width", width))
    if unit is not None:
        properties.append(("unit", unit.value))
    if words:
        options = {word: {"color": colour.value, "index": index} for index, (word, colour) in enumerate(words.items())}
        properties.append(("custom.cellOptions", {"type": "color-text"}))
        properties.append(("mappings", [{"type": "value", "options": options}]))
    return Override(name, tuple(properties))


def dashboard(page: Page, panels: Sequence[Json]) -> Json:
    """Return the whole dashboard, normalised: what is committed, provisioned and pushed."""
    built = lib.Dashboard(
        uid=page.uid,
        title=page.title,
        description=page.description,
        tags=list(page.tags),
        time=lib.Time(page.start, "now"),
        refresh=page.refresh,
        timezone="browser",
        graphTooltip=lib.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
        links=list(page.links),
        templating=lib.Templating(list=[_variable(variable) for variable in page.variables]),
        panels=list(panels),
    )
    return normalise(_plain(built))


def _common(card: Card, targets: Sequence[Target]) -> Json:
    sources = list(dict.fromkeys(target.datasource for target in targets))
    place = card.place
    return {
        "id": card.id,
        "title": card.title,
        "description": card.description,
        "gridPos": lib.GridPos(h=place.height, w=place.width, x=place.x, y=place.y),
        "dataSource": _reference(sources[0] if len(sources) == 1 else MIXED),
        "targets": [_target(target) for target in targets],
        "maxDataPoints": None,
    }


def _target(target: Target) -> Any:  # noqa: ANN401 - grafanalib's classes have no types
    common = {"refId": target.ref, "datasource": _reference(target.datasource)}
    if isinstance(target, Sql):
        return lib.SqlTarget(rawSql=load(target.query), format="table" if target.table else "time_series", **common)
    return lib.Target(expr=target.expr, legendFormat=target.legend, instant=target.instant, **common)


def _variable(variable: DatasourceVariable | QueryVariable) -> Any:  # noqa: ANN401 - grafanalib's classes have no types
    match variable:
        case DatasourceVariable():
            return lib.Template(name=variable.name, label=variable.label, type="datasource", query=variable.kind)
        case QueryVariable():
            return lib.Template(
                name=variable.name,
                label=variable.label,
                query=load(variable.query),
                dataSource=_reference(variable.datasource),
                multi=True,
                includeAll=True,
                default="$__all",
                refresh=REFRESH_ON_TIME_CHANGE,
            )
        case _:
            assert_never(variable)


def _reference(datasource: Datasource) -> dict[str, str]:
    return {"type": datasource.kind, "uid": datasource.uid}


def _steps(scale: Scale) -> list[dict[str, Any]]:
    return [{"color": step.colour.value, "value": step.value} for step in scale.thresholds]


def _overrides(overrides: Sequence[Override]) -> list[dict[str, Any]]:
    return [
        {
            "matcher": {"id": "byName", "options": override.name},
            "properties": [{"id": key, "value": value} for key, value in override.properties],
        }
        for override in overrides
    ]


def _plain(built: object) -> Json:
    plain: Json = json.loads(json.dumps(built, cls=DashboardEncoder, allow_nan=False))
    return plain
