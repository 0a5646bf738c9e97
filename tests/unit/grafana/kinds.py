"""A panel of every kind with every option, for tests of the wrapper and of the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.annotations import PromAnnotation, SqlAnnotation
from grafana.columns import Cell, coloured, column, dashed, hidden, matrix, organised, right_axis, value
from grafana.fields import TOO_LITTLE, Card, Colour, Override, Scale, State, Step, Unit
from grafana.layout import Row
from grafana.links import OF_SERIES, DashboardUid, in_text, of_column, to_dashboard, to_web
from grafana.more_panels import alert_list, bar_gauge, text
from grafana.pages import Page
from grafana.panels import Style, bar_chart, histogram, stat, state_timeline, table, timeseries
from grafana.targets import Live, PromQL, Sql
from grafana.variables import (
    CHOICES,
    CustomVariable,
    LabelVariable,
    QueryVariable,
    TextVariable,
)

if TYPE_CHECKING:
    from grafana.fields import Json

UP = PromQL("up", "{{job}}", ref="B")
ROWS = Sql("shared/clusters", table=True)
SERIES = Sql("shared/clusters")
STATES = (State(0, "clean", Colour.GOOD), State("listed", "on a list", Colour.BAD))
STEPS = (Step(Colour.GOOD), Step(Colour.BAD, 0.1))
RATIO = Scale(Unit.RATIO, STEPS, decimals=1, minimum=0, maximum=1, empty=TOO_LITTLE)
COUNT = Scale(Unit.COUNT)
LINK = to_dashboard(DashboardUid.OVERVIEW, "Overview", values={"provider": OF_SERIES})


def card(number: int) -> Card:
    """Return a card with this id and a link."""
    return Card(number, f"Panel {number}", "What it shows.", 8, 6, links=(to_web("More", "https://example.com/"),))


def every_kind() -> list[Json]:
    """Return a panel of each kind, with ids from 1 on."""
    columns = [
        column("time", "Time", 120, unit=Unit.AT),
        column("zone", "Zone", None, words={"a": Colour.BAD}, cell=Cell.FILL),
        column("share", "Share", 90, unit=Unit.RATIO, thresholds=STEPS, cell=Cell.BAR, empty=TOO_LITTLE, decimals=1),
        column(
            "reply",
            "Reply",
            None,
            cell=Cell.WRAP,
            links=[to_dashboard(DashboardUid.OVERVIEW, "o", values={"x": of_column("zone")})],
        ),
        hidden("event_id"),
    ]
    live = Live("ticker", ("time", "sent"))
    return [
        timeseries(
            card(1),
            [SERIES, UP],
            RATIO,
            style=Style.BARS,
            legend=["sum"],
            overrides=[coloured("a", Colour.GOOD, "A"), dashed("b"), right_axis("c", Unit.SECONDS)],
            links=[LINK],
        ),
        timeseries(card(2), [UP], Scale(Unit.SECONDS), log=True),
        stat(
            card(3),
            [ROWS],
            RATIO,
            named=True,
            course=False,
            states=STATES,
            links=[LINK],
            overrides=[value("zone", "Zone", unit=Unit.NONE, thresholds=STEPS, empty=TOO_LITTLE)],
        ),
        table(
            card(4), [ROWS], overrides=columns, transformations=[organised(["a"], without=["b"])], sort=("Time", True)
        ),
        state_timeline(card(5), [SERIES], STATES, links=[LINK]),
        bar_gauge(
            card(6), [ROWS], RATIO, rows=True, overrides=[Override(".*", (("unit", "s"),), "byRegexp")], links=[LINK]
        ),
        bar_chart(
            card(7), [ROWS], COUNT, x="zone", stacked=True, horizontal=True, transformations=[matrix("a", "b", "c")]
        ),
        histogram(card(8), [ROWS], Scale(Unit.SECONDS), bucket=5),
        text(card(9), f"See {in_text(DashboardUid.REPUTATION, 'the lists')}."),
        alert_list(card(10)),
        timeseries(card(11), [live], COUNT, style=Style.STEPS),
    ]


PAGE = Page(
    DashboardUid.OVERVIEW,
    "Everything",
    "Every kind of everything.",
    variables=(
        *CHOICES,
        QueryVariable("one", "One", "shared/clusters", several=False),
        LabelVariable("host", "Host", "duckwatch_plugin_last_seen_timestamp_seconds", "host"),
        CustomVariable("period", "Period", ("day", "week")),
        TextVariable("needle", "Search"),
    ),
    annotations=(
        SqlAnnotation("Listings", "shared/clusters"),
        PromAnnotation("Up", "changes(up[1m]) > 0", "{{job}}", "came up", shown=False, tags=("job", "instance")),
    ),
)


def every_row() -> list[Row]:
    """Return a row without a title, an open row and a collapsed row, which together hold every kind of panel."""
    panels = every_kind()
    return [Row(panels[:4]), Row(panels[4:8], "Open", 100), Row(panels[8:], "Closed", 200, collapsed=True)]
