"""The parts of a panel's JSON that several kinds share: head, field defaults, value mappings, thresholds, overrides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.fields import MIXED, Card, Colour, Json, Override, Scale, State, Step
from grafana.targets import PromQL, Target, target_json

if TYPE_CHECKING:
    from collections.abc import Sequence

PLAIN_STEPS: list[Json] = [{"color": Colour.PLAIN.value, "value": None}]
"""The thresholds of a panel that has none: no colour at any value."""

NO_EVENTS = "no events in this time range with these filters"
NO_SAMPLES = "no samples: nothing was counted yet, or Prometheus does not scrape duckwatch"


def head(card: Card) -> Json:
    """Return the keys that every panel has. `layout` fills in the panel's place."""
    place = {"x": 0, "y": 0, "w": card.width, "h": card.height}
    out: Json = {"id": card.id, "title": card.title, "description": card.description, "gridPos": place}
    return out | {"links": [*card.links], "transparent": False}


def asking(targets: Sequence[Target]) -> Json:
    """Return a panel's targets and the data source that it names."""
    sources = list(dict.fromkeys(target.datasource for target in targets))
    source = sources[0] if len(sources) == 1 else MIXED
    return {"datasource": source.reference, "targets": [target_json(target) for target in targets]}


def nothing(card: Card, targets: Sequence[Target]) -> str:
    """Return the text for a panel whose queries have no row."""
    return card.empty or (NO_SAMPLES if all(isinstance(target, PromQL) for target in targets) else NO_EVENTS)


def defaults(scale: Scale, *, links: Sequence[Json] = ()) -> Json:
    """Return the field defaults of a scale (unit, decimals, bounds), and the links of values."""
    said = {"unit": scale.unit.value, "decimals": scale.decimals, "min": scale.minimum, "max": scale.maximum}
    out = {key: value for key, value in said.items() if value is not None}
    return out | ({"links": [*links]} if links else {})


def steps(thresholds: Sequence[Step]) -> list[Json]:
    """Return the thresholds in the form of Grafana's JSON."""
    return [{"color": step.colour.value, "value": step.value} for step in thresholds]


def mappings(states: Sequence[State], empty: str | None = None) -> list[Json]:
    """Return the value mappings that give each state its name and colour.

    When there is no number, `empty` is shown without colour.
    """
    options = {
        str(state.value): {"text": state.name, "color": state.colour.value, "index": index}
        for index, state in enumerate(states)
    }
    out: list[Json] = [{"type": "value", "options": options}] if options else []
    if empty is not None:
        result = {"text": empty, "color": Colour.PLAIN.value, "index": len(states)}
        out.append({"type": "special", "options": {"match": "null+nan", "result": result}})
    return out


def overrides_json(overrides: Sequence[Override]) -> list[Json]:
    """Return the overrides in the form of Grafana's JSON."""
    return [
        {
            "matcher": {"id": override.by, "options": override.name},
            "properties": [{"id": key, "value": value} for key, value in override.properties],
        }
        for override in overrides
    ]
