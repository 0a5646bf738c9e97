"""The row of the two objectives: how fast their allowances are used up, beside the limits of the alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import coloured, column, dashed, organised
from grafana.dashboards.duckwatch.charts import HERE
from grafana.fields import Card, Colour, Scale, Step, Unit
from grafana.links import DashboardUid, of_column, to_dashboard
from grafana.panels import table, timeseries
from grafana.targets import PromQL

if TYPE_CHECKING:
    from grafana.fields import Json, Override

WINDOWS = {"1h": "1 h", "6h": "6 h", "1d": "1 day", "3d": "3 days"}
"""The long window of each pair of windows that the alerts compare, with its name."""

REFS = "ABCDEF"
"""The targets of the table: what is promised, the events an hour, and each window."""

COLOURS = (Colour.BAD, Colour.WATCH, Colour.OTHER, Colour.FAINT)

OF_LIMIT = (Step(Colour.GOOD), Step(Colour.WATCH, 0.5), Step(Colour.BAD, 1))
"""Shares of a limit."""

NO_RULES = "no series: are recording/slo.yml and thresholds.yml loaded?"


def objectives() -> list[Json]:
    """Return the table of both objectives, and the chart of each one's burn rate."""
    return [_near_their_alerts(), _ingest(), _delivery()]


def _near_their_alerts() -> Json:
    promised = _both("all:duckwatch_slo_ingest_objective:limit", "mail_cluster:duckwatch_slo_delivery_objective:limit")
    asked = [promised, _both(*(f"{events} * 3600" for events in _events()))]
    asked += [_both(*_of_limit(window)) for window in WINDOWS]
    return table(
        Card(
            id=70,
            title="How near the objectives are to their alerts",
            description=(
                "The burn rate over each window as a share of its limit. At 100 % DuckwatchIngestSloBurn or "
                "DuckwatchDeliverySloBurn fires if a shorter window is over the limit too. "
                "A dot: in the range fewer events an hour than the alert judges. "
                "Ingest: plugin events committed within 60 s; red: look at the journal and the plugins below. "
                "Delivery: recipients delivered within 15 minutes; red: look at Delivery for the provider that defers."
            ),
            width=24,
            height=8,
            empty=NO_RULES,
        ),
        [PromQL(expr, "", ref, instant=True, table=True) for ref, expr in zip(REFS, asked, strict=True)],
        transformations=[
            {"id": "merge", "options": {}},
            organised(["objective", "mail_cluster", *(f"Value #{ref}" for ref in REFS)], without=["Time", "__name__"]),
        ],
        overrides=_columns(),
    )


def _columns() -> list[Override]:
    to_cluster = to_dashboard(DashboardUid.DELIVERY, "Delivery", values={"cluster": of_column("mail_cluster")})
    return [
        column("objective", "Objective", None),
        column("mail_cluster", "Cluster", 160, links=[to_cluster]),
        column("Value #A", "Promised", 110, unit=Unit.RATIO, decimals=1),
        column("Value #B", "Events an hour", 140, unit=Unit.COUNT),
        *(
            column(f"Value #{ref}", name, 105, unit=Unit.RATIO, decimals=0, thresholds=OF_LIMIT, empty="·")
            for ref, name in zip(REFS[2:], WINDOWS.values(), strict=True)
        ),
    ]


def _ingest() -> Json:
    return _burn(
        71,
        "Ingest: burn rate",
        "How many times too fast the allowance of late events is used up; at 1 it lasts exactly 30 days. The dashed "
        "lines are the alert's limits. All windows rise at once: the database or a host is late now. Only the long "
        "ones are high: it was late, and is no longer.",
        "max(all:duckwatch_slo_ingest_burn:rate%s)",
        "max(all:duckwatch_slo_burn_%s:limit)",
    )


def _delivery() -> Json:
    return _burn(
        72,
        "Delivery: burn rate of the worst cluster",
        "The same for recipients that are not delivered within 15 minutes, of the chosen cluster where it is highest. "
        "Hard bounces do not count. If it rises, look at Delivery for the provider that defers, and at Queue.",
        f"max(mail_cluster:duckwatch_slo_delivery_burn:rate%s{{{HERE}}})",
        f"min(mail_cluster:duckwatch_slo_burn_%s:limit{{{HERE}}})",
    )


def _burn(number: int, title: str, description: str, burn: str, limit: str) -> Json:
    """Return the chart of a burn rate over each window, with its limit. `burn` and `limit` have a %s for the window."""
    card = Card(id=number, title=title, description=description, width=12, height=8, empty=NO_RULES)
    targets = []
    looks = []
    for at, (window, name) in enumerate(WINDOWS.items()):
        targets += [
            PromQL(burn % window, name, "ABCD"[at]),
            PromQL(limit % window, f"limit of {name}", "EFGH"[at]),
        ]
        looks += [coloured(name, COLOURS[at]), dashed(f"limit of {name}", COLOURS[at])]
    return timeseries(card, targets, Scale(Unit.NONE), overrides=looks)


def _both(ingest: str, delivery: str) -> str:
    """Return the expression with a series for the ingest objective, and one for each cluster's delivery objective."""
    return " or ".join(
        f'label_replace({expr}, "objective", "{name}", "", "")'
        for name, expr in (("Ingest", ingest), ("Delivery", delivery))
    )


def _events() -> tuple[str, str]:
    """Return the rate, in the range, of the events and of the recipients that the objectives count."""
    recipients = f"mail_cluster:duckwatch_slo_delivery_recipients:rate5m{{{HERE}}}"
    return (
        "avg_over_time(all:duckwatch_slo_ingest_events:rate5m[$__range])",
        f"avg_over_time({recipients}[$__range])",
    )


def _of_limit(window: str) -> tuple[str, str]:
    """Return both burn rates as shares of their limits, where there are enough events to judge."""
    names = (("all", "ingest"), ("mail_cluster", "delivery"))
    ingest, delivery = (
        f"{level}:duckwatch_slo_{name}_burn:rate{window} / {level}:duckwatch_slo_burn_{window}:limit"
        f" and {events} * 3600 >= {level}:duckwatch_slo_least_events_per_hour:limit"
        for (level, name), events in zip(names, _events(), strict=True)
    )
    return ingest, delivery
