"""The list of every query that the dashboards send: each panel's targets, each variable, each annotation.

The tests on each storage tier and the benchmarks run the queries of this list.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from grafana.generate import build_all
from grafana.normalise import all_panels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from grafana.fields import Json


class Language(StrEnum):
    """The language of a question. LABELS is Grafana's `label_values(…)` of a Prometheus variable."""

    SQL = "sql"
    PROMQL = "promql"
    LABELS = "label_values"
    LIVE = "live"


class Shape(StrEnum):
    """The form that the answer must have."""

    TIME_SERIES = "time_series"
    TABLE = "table"
    VARIABLE = "variable"
    ANNOTATION = "annotation"
    FRAME = "frame"


@dataclass(frozen=True, slots=True)
class Question:
    """One query. `name` is unique: `overview/3A` (panel 3, target A), `overview/$cluster`, `overview/@Listings`.

    `text` contains Grafana's macros and variables. `panel` is the panel's JSON, None for variables and annotations.
    `variables` has the JSON of each variable of the dashboard by its name.
    """

    name: str
    dashboard: str
    title: str
    language: Language
    text: str
    shape: Shape
    variables: Mapping[str, Json]
    panel: Json | None = None
    instant: bool = False


def questions(pages: Mapping[str, Json] | None = None) -> list[Question]:
    """Return every question of these dashboards. Without an argument: of all dashboards, with the default settings."""
    built = build_all() if pages is None else pages
    return [question for name, page in built.items() for question in _of_page(name, page)]


def _of_page(name: str, page: Json) -> Iterator[Question]:
    variables = {variable["name"]: variable for variable in page["templating"]["list"]}
    for panel in all_panels(page["panels"]):
        for target in panel.get("targets", []):
            yield _of_target(f"{name}/{panel['id']}{target['refId']}", name, panel, target, variables)
    for variable in variables.values():
        if variable["type"] == "query":
            sql = variable["datasource"]["type"] == "postgres"
            language = Language.SQL if sql else Language.LABELS
            where, text = f"{name}/${variable['name']}", variable["query"]
            yield Question(where, name, variable["label"], language, text, Shape.VARIABLE, variables)
    for annotation in page["annotations"]["list"]:
        if not annotation.get("builtIn"):
            sql = "target" in annotation
            text = annotation["target"]["rawSql"] if sql else annotation["expr"]
            language = Language.SQL if sql else Language.PROMQL
            where, title = f"{name}/@{annotation['name']}", annotation["name"]
            yield Question(where, name, title, language, text, Shape.ANNOTATION, variables)


def _of_target(where: str, name: str, panel: Json, target: Json, variables: Mapping[str, Json]) -> Question:
    key, language = next(
        (key, language)
        for key, language in (("rawSql", Language.SQL), ("expr", Language.PROMQL), ("channel", Language.LIVE))
        if key in target
    )
    shape = Shape(target.get("format", Shape.FRAME))
    instant = target.get("instant", False)
    return Question(where, name, panel["title"], language, target[key], shape, variables, panel, instant)
