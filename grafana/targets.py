"""The targets of panels: SQL from a file, PromQL, or a channel of Grafana Live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from grafana.fields import LIVE, PROMETHEUS, TIMESCALE, Datasource, Json
from grafana.queries import load_query


@dataclass(frozen=True, slots=True)
class Sql:
    """A target that runs `queries/<query>.sql`. With `table` the result is a table, else a time series."""

    query: str
    ref: str = "A"
    table: bool = False
    datasource: Datasource = TIMESCALE


@dataclass(frozen=True, slots=True)
class PromQL:
    """A target that evaluates an expression over the range, or with `instant` only at its end.

    `legend` may use `{{label}}`. With `table` each series is one row, and each label a column.
    The generator adds job selectors (grafana.selectors); they are not part of `expr`.
    """

    expr: str
    legend: str
    ref: str = "A"
    instant: bool = False
    table: bool = False
    datasource: Datasource = PROMETHEUS

    @classmethod
    def quantile(
        cls, quantile: float, histogram: str, legend: str, *, by: str = "", where: str = "", ref: str = "A"
    ) -> PromQL:
        """Return the target for a quantile (0 to 1) of a histogram's observations.

        There is one series for each value of the label `by`. `where` selects the histogram's series.
        """
        labels = f"le, {by}" if by else "le"
        rate = f"rate({histogram}_bucket{f'{{{where}}}' if where else ''}[$__rate_interval])"
        return cls(f"histogram_quantile({quantile}, sum by ({labels}) ({rate}))", legend, ref)


@dataclass(frozen=True, slots=True)
class Live:
    """A target that shows a measurement pushed to Grafana Live. `fields` must include `time`.

    `rows` is the length of its window: with another number of points, Grafana would show rows twice or too few.
    """

    measurement: str
    fields: tuple[str, ...]
    rows: int = 300
    ref: str = "A"
    stream: str = "duckwatch"
    datasource: Datasource = LIVE


Target = Sql | PromQL | Live


def target_json(target: Target) -> Json:
    """Return the target in the form of Grafana's JSON."""
    common: Json = {"refId": target.ref, "datasource": target.datasource.reference}
    shape = "table" if not isinstance(target, Live) and target.table else "time_series"
    match target:
        case Sql():
            return common | {
                "rawSql": load_query(target.query),
                "format": shape,
                "rawQuery": True,
                "editorMode": "code",
            }
        case PromQL():
            asked = {"expr": target.expr, "legendFormat": target.legend, "format": shape, "editorMode": "code"}
            return common | asked | {"instant": target.instant, "range": not target.instant}
        case Live():
            channel = f"stream/{target.stream}/{target.measurement}"
            return common | {
                "queryType": "measurements",
                "channel": channel,
                "filter": {"fields": [*target.fields]},
            }
        case _:
            assert_never(target)
