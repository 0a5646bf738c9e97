"""The variables of a dashboard, from which the viewer chooses, and their form in Grafana's JSON.

Only these forms of a variable are safe in a query, because Grafana quotes values only there; tests check them:
a variable of several values is `IN ($name)` in SQL and `=~"$name"` in PromQL;
a variable of one value is `'$name'` in SQL and `="$name"` in PromQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from grafana.fields import PROMETHEUS, TIMESCALE, Datasource, Json
from grafana.queries import load_query

REFRESH_ON_TIME_CHANGE = 2
ALL = "$__all"


@dataclass(frozen=True, slots=True)
class DatasourceVariable:
    """A choice among the data sources of one kind. `kind` is the id of Grafana's plugin."""

    name: str
    label: str
    kind: str


@dataclass(frozen=True, slots=True)
class QueryVariable:
    """A choice among the rows of `queries/<query>.sql` (columns `__text`, `__value`). The SQL may use other variables.

    With `several` the viewer chooses one, several or all values, else exactly one.
    """

    name: str
    label: str
    query: str
    several: bool = True
    datasource: Datasource = TIMESCALE


@dataclass(frozen=True, slots=True)
class LabelVariable:
    """A choice among the values that the label `of` has in the series of `selector`.

    With `several` the viewer chooses one, several or all values, else exactly one.
    """

    name: str
    label: str
    selector: str
    of: str
    several: bool = True
    datasource: Datasource = PROMETHEUS


@dataclass(frozen=True, slots=True)
class CustomVariable:
    """A choice of one among fixed values. The default is the first."""

    name: str
    label: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextVariable:
    """A text field for the viewer. SQL uses it only as `'$name'`."""

    name: str
    label: str
    default: str = ""


Variable = DatasourceVariable | QueryVariable | LabelVariable | CustomVariable | TextVariable

SOURCES: tuple[DatasourceVariable, ...] = (
    DatasourceVariable("timescale", "Database", TIMESCALE.kind),
    DatasourceVariable("prometheus", "Prometheus", PROMETHEUS.kind),
)
"""The data sources that every dashboard queries."""

CLUSTER = QueryVariable("cluster", "Cluster", "shared/clusters")

CHOICES: tuple[Variable, ...] = (*SOURCES, CLUSTER)
"""The variables of every dashboard. A dashboard adds its own: `(*CHOICES, PROVIDER)`."""


def variable_json(variable: Variable) -> Json:
    """Return the variable in the form of Grafana's JSON."""
    common: Json = {"name": variable.name, "label": variable.label, "hide": 0}
    match variable:
        case DatasourceVariable():
            source = {"type": "datasource", "query": variable.kind, "refresh": 1, "options": []}
            return {**common, **source, "multi": False, "includeAll": False}
        case QueryVariable():
            return {**common, **_queried(variable, load_query(variable.query))}
        case LabelVariable():
            return {**common, **_queried(variable, f"label_values({variable.selector}, {variable.of})")}
        case CustomVariable():
            return {**common, **_custom(variable)}
        case TextVariable():
            chosen = {"selected": True, "text": variable.default, "value": variable.default}
            return {
                **common,
                "type": "textbox",
                "query": variable.default,
                "current": chosen,
                "options": [chosen],
            }
        case _:
            assert_never(variable)


def _queried(variable: QueryVariable | LabelVariable, query: str) -> Json:
    out: Json = {"type": "query", "query": query, "datasource": variable.datasource.reference}
    out |= {"refresh": REFRESH_ON_TIME_CHANGE, "sort": 0, "options": []}
    out |= {"multi": variable.several, "includeAll": variable.several}
    if variable.several:
        out["current"] = {"selected": True, "text": ["All"], "value": [ALL]}
    return out


def _custom(variable: CustomVariable) -> Json:
    options = [{"selected": index == 0, "text": value, "value": value} for index, value in enumerate(variable.values)]
    out: Json = {"type": "custom", "query": ",".join(variable.values), "options": options, "current": options[0]}
    return out | {"multi": False, "includeAll": False}
