"""The words that panels are written in: where a panel stands, its unit, thresholds, overrides,
targets and data sources.

Frozen data only; `panels` turns them into Grafana's JSON. Names and values are Grafana's (facts:
the classic schema, 10.1 to 13).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Datasource:
    """A reference to a data source. `uid` may be a dashboard variable, written `${name}`;
    `kind` is Grafana's plugin id.
    """

    kind: str
    uid: str


TIMESCALE = Datasource("postgres", "${timescale}")
"""Whatever PostgreSQL the viewer has chosen. The id `postgres` is an alias from 10.3 on, and the only id before."""

PROMETHEUS = Datasource("prometheus", "${prometheus}")

MIXED = Datasource("datasource", "-- Mixed --")
"""What a panel refers to whose targets differ in theirs."""


class Unit(StrEnum):
    """Grafana's ids of the units in use."""

    COUNT = "short"
    SECONDS = "s"
    RATIO = "percentunit"
    PER_SECOND = "cps"
    AT = "dateTimeAsIso"
    AGO = "dateTimeFromNow"
    NONE = "none"


class Colour(StrEnum):
    """Grafana's named colours, by what they say: good, watch, bad, and nothing."""

    GOOD = "green"
    WATCH = "orange"
    BAD = "red"
    PLAIN = "text"


@dataclass(frozen=True, slots=True)
class Place:
    """A panel's place on the grid of 24 columns; one row is 30 pixels high."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Card:
    """What every panel has. `id` is written by hand and never reused: links and alerts refer to it."""

    id: int
    title: str
    description: str
    place: Place


@dataclass(frozen=True, slots=True)
class Step:
    """A threshold: from `value` on, in the panel's unit, this colour.
    The first step has no value (it starts at minus infinity).
    """

    colour: Colour
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """What the numbers of a panel mean: their unit, and from where on they are watched or bad."""

    unit: Unit
    thresholds: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """What a number of a state timeline is called, and its colour."""

    value: int
    name: str
    colour: Colour


@dataclass(frozen=True, slots=True)
class Override:
    """Properties of the one series or column called `name`."""

    name: str
    properties: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Sql:
    """A target that runs `queries/<query>.sql`; `table` for rows as they are, else a time series."""

    query: str
    ref: str = "A"
    table: bool = False
    datasource: Datasource = TIMESCALE


@dataclass(frozen=True, slots=True)
class PromQL:
    """A target that evaluates an expression over the range, or at its end only (`instant`).
    `legend` may use `{{label}}`.
    """

    expr: str
    legend: str
    ref: str = "A"
    instant: bool = False
    datasource: Datasource = PROMETHEUS

    @classmethod
    def quantile(
        cls, quantile: float, histogram: str, legend: str, *, by: str = "", where: str = "", ref: str = "A"
    ) -> PromQL:
        """Return the value that this part of a histogram's observations stays below;
        for each value of the label `by`, of the series that `where` selects.
        """
        labels = f"le, {by}" if by else "le"
        rate = f"rate({histogram}_bucket{f'{{{where}}}' if where else ''}[$__rate_interval])"
        return cls(f"histogram_quantile({quantile}, sum by ({labels}) ({rate}))", legend, ref)


Target = Sql | PromQL


@dataclass(frozen=True, slots=True)
class DatasourceVariable:
    """Lets the viewer choose among the data sources of one kind; `kind` is the id of Grafana's plugin."""

    name: str
    label: str
    kind: str


@dataclass(frozen=True, slots=True)
class QueryVariable:
    """Values from `queries/<query>.sql`, several at once or all. In SQL it may stand as `IN ($name)` only:
    there Grafana quotes.
    """

    name: str
    label: str
    query: str
    datasource: Datasource = TIMESCALE


Variable = DatasourceVariable | QueryVariable

CHOICES: tuple[Variable, ...] = (
    DatasourceVariable("timescale", "Database", TIMESCALE.kind),
    DatasourceVariable("prometheus", "Prometheus", PROMETHEUS.kind),
    QueryVariable("cluster", "Cluster", "clusters"),
)
"""What every dashboard lets the viewer choose."""


@dataclass(frozen=True, slots=True)
class Page:
    """A dashboard without its panels. `uid` is at most 40 characters and never changes: links and stars refer to it."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...] = CHOICES
    tags: tuple[str, ...] = ("duckwatch",)
    start: str = "now-6h"
    refresh: str = "30s"
    links: tuple[dict[str, Any], ...] = field(default=())
