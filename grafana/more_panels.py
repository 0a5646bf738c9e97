"""The kinds of panels that grafanalib writes in an outdated form, here in the form of Grafana 10.1 and newer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.parts import PLAIN_STEPS, asking, defaults, head, mappings, nothing, overrides_json, steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana.fields import Card, Json, Override, Scale
    from grafana.targets import Target

ALERT_STATES = ("firing", "pending", "noData", "normal", "error")
OLDEST_FIRST = 4
"""The order by importance does nothing for the alerts of a Prometheus (seen with Grafana 10.1).

An alert that fires is older than most that are pending, so this order keeps those that fire in sight.
"""


def bar_gauge(
    card: Card,
    targets: Sequence[Target],
    scale: Scale,
    *,
    rows: bool = False,
    overrides: Sequence[Override] = (),
    links: Sequence[Json] = (),
) -> Json:
    """Return a horizontal bar for each series' last value, or with `rows` for each row of a table."""
    options = {
        "displayMode": "basic",
        "minVizHeight": 10,
        "minVizWidth": 0,
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": rows},
        "showUnfilled": True,
        "valueMode": "color",
    }
    return _panel("bargauge", card, targets, options, scale, overrides=overrides, links=links)


def text(card: Card, content: str) -> Json:
    """Return a panel of Markdown. `links.in_text` writes a link to another dashboard."""
    return {**head(card), "type": "text", "options": {"mode": "markdown", "content": content}}


def alert_list(card: Card, *, states: Sequence[str] = ("firing", "pending"), name: str = "Duckwatch") -> Json:
    """Return the list of the alerts whose rule's name contains `name`, from every rule source of Grafana.

    Grafana can restrict the list to a source only by a fixed name, not by a variable.
    """
    options = {
        "alertInstanceLabelFilter": "",
        "alertName": name,
        "dashboardAlerts": False,
        "groupBy": [],
        "groupMode": "default",
        "maxItems": 20,
        "sortOrder": OLDEST_FIRST,
        "stateFilter": {state: state in states for state in ALERT_STATES},
        "viewMode": "list",
    }
    return {**head(card), "type": "alertlist", "options": options}


def _panel(
    kind: str,
    card: Card,
    targets: Sequence[Target],
    options: Json,
    scale: Scale,
    *,
    overrides: Sequence[Override] = (),
    links: Sequence[Json] = (),
) -> Json:
    config = {"noValue": nothing(card, targets), **defaults(scale, links=links)}
    config |= {"mappings": mappings((), scale.empty), "color": {"mode": "thresholds"}}
    config["thresholds"] = {"mode": "absolute", "steps": steps(scale.thresholds) or PLAIN_STEPS}
    fields = {"defaults": config, "overrides": overrides_json(overrides)}
    out = {**head(card), **asking(targets), "type": kind, "options": options, "fieldConfig": fields}
    return {**out, "transformations": []}
