"""The types that describe a panel: card, unit, scale, states, overrides and data sources.

They are immutable data, which `panels` turns into Grafana's JSON.
Names and values are those of Grafana's classic schema, 10.1 to 13.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Datasource:
    """A reference to a data source. `kind` is the id of Grafana's plugin.

    `uid` may be a dashboard variable, written `${name}`.
    """

    kind: str
    uid: str

    @property
    def reference(self) -> dict[str, str]:
        """The form in which Grafana's JSON refers to it."""
        return {"type": self.kind, "uid": self.uid}


TIMESCALE = Datasource("postgres", "${timescale}")
"""The PostgreSQL data source that the viewer chose. Since Grafana 10.3 the id `postgres` is an alias; before, it is
the only id.
"""

PROMETHEUS = Datasource("prometheus", "${prometheus}")

LIVE = Datasource("datasource", "grafana")
"""Grafana's built-in data source, through which panels read Grafana Live."""

MIXED = Datasource("datasource", "-- Mixed --")
"""The data source of a panel whose targets use different ones. SQL and Live cannot be mixed."""


class Unit(StrEnum):
    """Grafana's ids of the units that the dashboards use."""

    COUNT = "short"
    SECONDS = "s"
    MILLISECONDS = "ms"
    RATIO = "percentunit"
    PER_SECOND = "cps"
    BYTES = "bytes"
    AT = "dateTimeAsIso"
    TIME = "time: HH:mm:ss"
    AGO = "dateTimeFromNow"
    NONE = "none"


class Colour(StrEnum):
    """The dashboards' colours, named by their meaning: good, watch, bad, or no judgement.

    `OTHER` and `THIRD` tell lines apart. In a filled area `PLAIN` looks like `FAINT`: take `THIRD` there.
    """

    GOOD = "green"
    WATCH = "orange"
    BAD = "red"
    OTHER = "blue"
    THIRD = "purple"
    FAINT = "#8e8e8e"
    PLAIN = "text"


@dataclass(frozen=True, slots=True)
class Card:
    """The fields that every panel has. `id` is written by hand and never reused, because links and alerts refer to it.

    The grid has 24 columns; one unit of height is 30 pixels. `links` are shown in the panel's corner.
    `empty` is shown when no query of the panel has a row. It says what is missing; without it, `parts.NO_EVENTS` or
    `parts.NO_SAMPLES` is shown. A state timeline and a bar chart cannot show it.
    """

    id: int
    title: str
    description: str
    width: int
    height: int
    links: tuple[Json, ...] = ()
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A threshold: values from `value` on, in the panel's unit, have this colour.

    The first step has no value: it starts at minus infinity.
    """

    colour: Colour
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """The meaning of a panel's numbers: their unit, and the thresholds from which they are to be watched or are bad.

    `empty` is the text that is shown, without colour, when there is no number: SQL's NULL, PromQL's NaN, or no row.
    """

    unit: Unit
    thresholds: tuple[Step, ...] = ()
    decimals: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    empty: str | None = None


TOO_LITTLE = "too little mail to judge"
"""The `empty` of a rate whose query returns NULL, or no row, when the denominator is small."""


@dataclass(frozen=True, slots=True)
class State:
    """The name and the colour of a value (a number or a text)."""

    value: int | str
    name: str
    colour: Colour


@dataclass(frozen=True, slots=True)
class Override:
    """Properties of the series or columns that `name` selects.

    `by` is Grafana's matcher: `byName`, `byRegexp`, `byFrameRefID` or `byType`.
    """

    name: str
    properties: tuple[tuple[str, Any], ...]
    by: str = "byName"
