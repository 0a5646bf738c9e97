"""Grafana's own classes read every dashboard and write it again without loss."""

from __future__ import annotations

import copy
import json
import warnings
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.generate import build_all
from grafana.pages import dashboard
from grafana.settings import DEFAULTS
from tests.unit.grafana.kinds import PAGE, every_row

with warnings.catch_warnings():  # the SDK deprecates this schema for version 2, which Grafana 10 cannot read
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.models.dashboard import Dashboard

PAGES = {**build_all(), "every kind": dashboard(PAGE, every_row(), DEFAULTS)}


def lost(before: Any, after: Any, path: str = "") -> list[str]:
    """Return the paths of the values of `before` that are missing or different in `after`."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [hit for key, item in before.items() for hit in lost(item, after.get(key, "absent"), f"{path}.{key}")]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = zip(before, after, strict=True)
        return [hit for index, (one, other) in enumerate(pairs) for hit in lost(one, other, f"{path}[{index}]")]
    return [] if before == after else [f"{path}: {before!r} -> {after!r}"]


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_nothing_is_lost_on_the_way_through_grafanas_classes(page: dict[str, Any]) -> None:
    """Grafana's classes write the dashboard that they read, with no key lost and no value changed."""
    read = Dashboard.from_json(copy.deepcopy(page))
    written = json.loads(JSONEncoder().encode(read))
    assert lost(page, written) == []


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
    assert lost(page, json.loads(JSONEncoder().encode(Dashboard.from_json(copy.deepcopy(page))))) == [path]
