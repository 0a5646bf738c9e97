"""Builds a dashboard's JSON from its page, its rows and a site's settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from duckwatch.base.selectors import selected
from grafana.annotations import Annotation, annotation_json
from grafana.layout import Row, laid_out
from grafana.normalise import normalise
from grafana.settings import BY_NAME, SOURCES, Settings
from grafana.variables import CHOICES, DatasourceVariable, Variable, variable_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana.fields import Json
    from grafana.links import DashboardUid

SHARED_CROSSHAIR = 1
HIDDEN = 2


@dataclass(frozen=True, slots=True)
class Page:
    """A dashboard without its panels."""

    uid: DashboardUid
    title: str
    description: str
    variables: tuple[Variable, ...] = CHOICES
    annotations: tuple[Annotation, ...] = ()
    start: str = "now-6h"
    refresh: str = "30s"


def dashboard(page: Page, rows: Sequence[Row], settings: Settings) -> Json:
    """Return the whole dashboard, normalised, as it is committed and provisioned."""
    built: Json = {
        "uid": page.uid.value,
        "title": settings.title_prefix + page.title,
        "description": page.description,
        "tags": [*settings.tags],
        "time": {"from": page.start, "to": "now"},
        "refresh": page.refresh,
        "timezone": settings.time_zone,
        "graphTooltip": SHARED_CROSSHAIR,
        "editable": True,
        "links": [],
        "templating": {
            "list": [_variable(variable, settings) for variable in page.variables if _kept(variable, settings)]
        },
        "annotations": {"list": [annotation_json(annotation) for annotation in page.annotations]},
        "panels": laid_out(rows),
    }
    return normalise(_with_settings(built, settings))


def _kept(variable: Variable, settings: Settings) -> bool:
    """Return whether the dashboard has this variable. A data source that is fixed by its uid has none."""
    fixed = settings.datasources.get(variable.name, BY_NAME)
    return not isinstance(variable, DatasourceVariable) or fixed.startswith(BY_NAME)


def _variable(variable: Variable, settings: Settings) -> Json:
    """Return the variable's JSON. A data source that is fixed by its name becomes a hidden variable with one option."""
    out = variable_json(variable)
    fixed = settings.datasources.get(variable.name, "")
    if isinstance(variable, DatasourceVariable) and fixed.startswith(BY_NAME):
        return out | {"regex": f"/^{re.escape(fixed.removeprefix(BY_NAME))}$/", "hide": HIDDEN}
    return out


def _with_settings(value: Any, settings: Settings) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON with the settings applied: job selectors, fixed data sources, and the URL before links."""
    if isinstance(value, list):
        return [_with_settings(item, settings) for item in value]
    if isinstance(value, str):
        return _text(value, settings)
    if not isinstance(value, dict):
        return value
    out = {key: _with_settings(item, settings) for key, item in value.items()}
    if "expr" in out:
        out["expr"] = selected(out["expr"], settings.jobs)
    if value.get("type") == "query" and str(value.get("query")).startswith("label_values("):
        out["query"] = selected(out["query"], settings.jobs)
    return out


def _text(text: str, settings: Settings) -> str:
    for name in SOURCES:
        fixed = settings.datasources.get(name, BY_NAME)
        if not fixed.startswith(BY_NAME):
            text = fixed if text == f"${{{name}}}" else text.replace(f"&${{{name}:queryparam}}", "")
    if settings.grafana_url:
        text = re.sub(r"(?:^|(?<=\]\())(?=/d/duckwatch-)", lambda _: settings.grafana_url, text)
    return text
