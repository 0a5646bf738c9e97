"""Grafana's own classes read every dashboard and write it again without loss."""

from __future__ import annotations

import copy
import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins

from grafana.generate import build_all
from grafana.pages import dashboard
from grafana.settings import DEFAULTS
from tests.unit.grafana.kinds import PAGE, every_row

if TYPE_CHECKING:
    from collections.abc import Iterator

with warnings.catch_warnings():  # the SDK deprecates this schema for version 2, which Grafana 10 cannot read
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.models.dashboard import Dashboard

register_default_plugins()
"""Without them the classes take any key in a panel's options and in a query."""

PAGES = {**build_all(), "every kind": dashboard(PAGE, every_row(), DEFAULTS)}


def lost(before: Any, after: Any, path: str = "") -> list[str]:
    """Return the paths of the values of `before` that are missing or different in `after`."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [hit for key, item in before.items() for hit in lost(item, after.get(key, "absent"), f"{path}.{key}")]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = zip(before, after, strict=True)
        return [hit for index, (one, other) in enumerate(pairs) for hit in lost(one, other, f"{path}[{index}]")]
    return [] if before == after else [f"{path}: {before!r} -> {after!r}"]


def readable(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the panels as the classes can read them.

    They read a query by the type of its panel's data source. So a panel of mixed sources becomes one for each query;
    and queries of Live are left out, for which there is no class.
    """
    for panel in panels:
        source = panel.get("datasource", {})
        if source.get("uid") == "-- Mixed --":
            yield from ({**panel, "datasource": one["datasource"], "targets": [one]} for one in panel["targets"])
        elif source.get("type") == "datasource":
            yield {**panel, "targets": []}
        elif "panels" in panel:
            yield {**panel, "panels": [*readable(panel["panels"])]}
        else:
            yield panel


def lost_on_the_way(page: dict[str, Any]) -> list[str]:
    """Return what Grafana's classes lose or change of a dashboard."""
    page = {**page, "panels": [*readable(page["panels"])]}
    return lost(page, json.loads(JSONEncoder().encode(Dashboard.from_json(copy.deepcopy(page)))))


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_nothing_is_lost_on_the_way_through_grafanas_classes(page: dict[str, Any]) -> None:
    """Grafana's classes write the dashboard that they read, with no key lost and no value changed."""
    assert lost_on_the_way(page) == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda page: page.update(mine=1), ".mine: 1 -> 'absent'"),
        (lambda page: page["panels"][0].update(span=4), ".panels[0].span: 4 -> 'absent'"),
        (lambda page: page["panels"][0]["gridPos"].update(z=4), ".panels[0].gridPos.z: 4 -> 'absent'"),
        (lambda page: page["links"][0].update(mine=1), ".links[0].mine: 1 -> 'absent'"),
    ],
)
def test_a_key_that_grafana_does_not_know_is_found(change: Any, path: str) -> None:
    """A key that Grafana's classes do not know is reported as lost."""
    page = copy.deepcopy(PAGES["overview"])
    change(page)
    assert path in lost_on_the_way(page)


def every_panel(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the panels, those in rows too."""
    for panel in panels:
        yield panel
        yield from every_panel(panel.get("panels", []))


WITHOUT_CLASS = {"row", "alertlist"}
KINDS = sorted({panel["type"] for panel in every_panel(PAGES["every kind"]["panels"])} - WITHOUT_CLASS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_option_that_a_panel_does_not_know_is_found(kind: str) -> None:
    """A key in the options of each kind of panel, and in what it says of its fields, is reported as lost."""
    page = copy.deepcopy(PAGES["every kind"])
    panel = next(one for one in every_panel(page["panels"]) if one["type"] == kind)
    panel["options"]["mine"] = 1
    places = {"options"}
    if custom := panel.get("fieldConfig", {}).get("defaults", {}).get("custom"):
        custom["mine"] = 1
        places.add("custom")
    assert {path.split(".")[-2] for path in lost_on_the_way(page) if path.endswith(".mine: 1 -> 'absent'")} == places


def test_a_key_that_a_query_does_not_know_is_found() -> None:
    """A key in each query of Prometheus is reported as lost, also where a panel mixes sources. SQL has no class."""
    page = copy.deepcopy(PAGES["every kind"])
    queries = [one for panel in every_panel(page["panels"]) for one in panel.get("targets", []) if "expr" in one]
    for one in queries:
        one["mine"] = 1
    assert sum(path.endswith(".mine: 1 -> 'absent'") for path in lost_on_the_way(page)) == len(queries) > 1
