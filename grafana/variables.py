"""The variables of a dashboard: what the viewer may choose, and how Grafana's JSON says it.

The forms that are safe in a query (tests hold them; Grafana quotes there and nowhere else):
a variable of several values stands as `IN ($name)` in SQL and as `=~"$name"` in PromQL,
a variable of one value as `'$name'` and as `="$name"`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from grafana.fields import PROMETHEUS, TIMESCALE, Datasource, Json
from grafana.queries import load

REFRESH_ON_TIME_CHANGE = 2
ALL = "$__all"


@dataclass(frozen=True, slots=True)
class DatasourceVariable:
    """Lets the viewer choose among the data sources of one kind; `kind` is the id of Grafana's plugin."""

    name: str
    label: str
    kind: str


@dataclass(frozen=True, slots=True)
class QueryVariable:
    """Values from `queries/<query>.sql` (columns `__text` and `__value`), which may use other variables.

    With `several` the viewer chooses one, several or all; else one.
    """

    name: str
    label: str
    query: str
    several: bool = True
    datasource: Datasource = TIMESCALE


@dataclass(frozen=True, slots=True)
class LabelVariable:
    """The values that a label has in the series that `selector` selects; one, several or all."""

    name: str
    label: str
    selector: str
    of: str
    several: bool = True
    datasource: Datasource = PROMETHEUS


@dataclass(frozen=True, slots=True)
class CustomVariable:
    """A fixed set of values; one of them, the first unless the viewer chooses."""

    name: str
    label: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextVariable:
    """A field into which the viewer types. In SQL it stands as `'$name'` only."""

    name: str
    label: str
    default: str = ""


Variable = DatasourceVariable | QueryVariable | LabelVariable | CustomVariable | TextVariable

SOURCES: tuple[DatasourceVariable, ...] = (
    DatasourceVariable("timescale", "Database", TIMESCALE.kind),
    DatasourceVariable("prometheus", "Prometheus", PROMETHEUS.kind),
)
"""The data sources that every dashboard asks."""

CLUSTER = QueryVariable("cluster", "Cluster", "shared/clusters")

CHOICES: tuple[Variable, ...] = (*SOURCES, CLUSTER)
"""What every dashboard lets the viewer choose. A dashboard adds its own: `(*CHOICES, PROVIDER)`."""


def variable_json(variable: Variable) -> Json:
    """Return the variable in the form of Grafana's JSON."""
    common: Json = {"name": variable.name, "label": variable.label, "hide": 0}
    match variable:
        case DatasourceVariable():
            source = {"type": "datasource", "query": variable.kind, "refresh": 1, "options": []}
            return {**common, **source, "multi": False, "includeAll": False}
        case QueryVariable():
            return {**common, **_queried(variable, load(variable.query))}
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
