"""The words that panels are written in: card, unit, scale, states, overrides and data sources.

Frozen data only; `panels` turns them into Grafana's JSON. Names and values are Grafana's (classic schema, 10.1 to 13).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Datasource:
    """A reference to a data source. `uid` may be a dashboard variable, written `${name}`;
    `kind` is Grafana's plugin id.
    """

    kind: str
    uid: str

    @property
    def reference(self) -> dict[str, str]:
        """The form in which Grafana's JSON refers to it."""
        return {"type": self.kind, "uid": self.uid}


TIMESCALE = Datasource("postgres", "${timescale}")
"""Whatever PostgreSQL the viewer has chosen. The id `postgres` is an alias from 10.3 on, and the only id before."""

PROMETHEUS = Datasource("prometheus", "${prometheus}")

LIVE = Datasource("datasource", "grafana")
"""Grafana's own data source: Grafana Live."""

MIXED = Datasource("datasource", "-- Mixed --")
"""What a panel refers to whose targets differ in theirs. SQL and Live cannot be mixed."""


class Unit(StrEnum):
    """Grafana's ids of the units in use."""

    COUNT = "short"
    SECONDS = "s"
    MILLISECONDS = "ms"
    RATIO = "percentunit"
    PER_SECOND = "cps"
    BYTES = "bytes"
    AT = "dateTimeAsIso"
    AGO = "dateTimeFromNow"
    NONE = "none"


class Colour(StrEnum):
    """Grafana's named colours, by what they say: good, watch, bad, and nothing."""

    GOOD = "green"
    WATCH = "orange"
    BAD = "red"
    OTHER = "blue"
    FAINT = "#8e8e8e"
    PLAIN = "text"


@dataclass(frozen=True, slots=True)
class Card:
    """What every panel has. `id` is written by hand and never reused: links and alerts refer to it.

    The grid has 24 columns; one unit of height is 30 pixels. `links` are shown in the panel's corner.
    """

    id: int
    title: str
    description: str
    width: int
    height: int
    links: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A threshold: from `value` on, in the panel's unit, this colour.
    The first step has no value (it starts at minus infinity).
    """

    colour: Colour
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """What the numbers of a panel mean: their unit, and from where on they are watched or bad.

    `empty` is the text where there is no number (SQL's NULL, PromQL's NaN, no row at all): it is shown without colour.
    """

    unit: Unit
    thresholds: tuple[Step, ...] = ()
    decimals: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    empty: str | None = None


TOO_LITTLE = "too little mail to judge"
"""The `empty` of a rate whose query gives NULL, or no row, where the denominator is small."""


@dataclass(frozen=True, slots=True)
class State:
    """What a value (a number or a text) is called, and its colour."""

    value: int | str
    name: str
    colour: Colour


@dataclass(frozen=True, slots=True)
class Override:
    """Properties of the series or columns that `name` selects: by their name,
    or by Grafana's other matchers (`byRegexp`, `byFrameRefID`, `byType`).
    """

    name: str
    properties: tuple[tuple[str, Any], ...]
    by: str = "byName"
