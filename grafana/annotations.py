"""Annotations: moments that a dashboard marks in all its charts, from SQL or PromQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from grafana.fields import PROMETHEUS, TIMESCALE, Colour, Datasource, Json
from grafana.queries import load_query


@dataclass(frozen=True, slots=True)
class SqlAnnotation:
    """Annotations from the rows of `queries/<query>.sql`.

    The query returns the columns `time` and `text`, and may return `timeend` and `tags` (separated by commas).
    """

    name: str
    query: str
    colour: Colour = Colour.OTHER
    shown: bool = True
    datasource: Datasource = TIMESCALE


@dataclass(frozen=True, slots=True)
class PromAnnotation:
    """Annotations at the moments at which an expression is above zero.

    `title` and `text` may use `{{label}}`, for labels that every series has: of others Grafana shows the name.
    `tags` names labels whose values are shown where a series has them.
    """

    name: str
    expr: str
    title: str
    text: str = ""
    colour: Colour = Colour.OTHER
    shown: bool = True
    tags: tuple[str, ...] = ()
    step: str = "60s"
    datasource: Datasource = PROMETHEUS


Annotation = SqlAnnotation | PromAnnotation

LISTINGS = SqlAnnotation("Listings", "reputation/annotations", Colour.BAD)

DNSBL_RELOADS = PromAnnotation(
    "DNSBL exporter reloads",
    "time() - duckwatch_dnsbl_config_last_reload_success_timestamp_seconds < bool 60",
    "The DNSBL exporter read its configuration",
    "{{instance}}",
)
FAILED_RELOADS = PromAnnotation(
    "Failed reloads",
    "(duckwatch_config_last_reload_successful == bool 0) * "
    "(duckwatch_config_last_reload_successful offset 1m == bool 1)",
    "The collector could not read changed credentials or its certificate",
    "{{instance}}",
    Colour.WATCH,
)
"""The collector has no metric for a reload that succeeded."""


def new(expr: str) -> str:
    """Return the expression of the series that are new, each with one point. `expr` has a %s for the modifier `offset`.

    One that was there ten minutes before is not new: its program was restarted or was not scraped.
    """
    return f"{expr % ''} unless {expr % ' offset $__interval'} unless {expr % ' offset 10m'}"


def annotation_json(annotation: Annotation) -> Json:
    """Return the annotation in the form of Grafana's JSON."""
    common: Json = {
        "name": annotation.name,
        "datasource": annotation.datasource.reference,
        "enable": annotation.shown,
        "hide": False,
        "iconColor": annotation.colour.value,
    }
    match annotation:
        case SqlAnnotation():
            target: Json = {"refId": "Anno", "rawSql": load_query(annotation.query), "format": "table"}
            return common | {"target": target | {"rawQuery": True, "editorMode": "code"}}
        case PromAnnotation():
            tags: Json = {"tagKeys": ",".join(annotation.tags)} if annotation.tags else {}
            return (
                common
                | tags
                | {
                    "expr": annotation.expr,
                    "step": annotation.step,
                    "titleFormat": annotation.title,
                    "textFormat": annotation.text,
                }
            )
        case _:
            assert_never(annotation)
