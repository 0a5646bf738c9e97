"""Checks that the data sources which a site has chosen exist in its Grafana. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.push.text import called
from grafana.settings import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from grafana.fields import Json
    from grafana.push.answers import StoredSource

PLUGINS: Mapping[str, tuple[str, ...]] = {
    "timescale": ("postgres", "grafana-postgresql-datasource"),
    "prometheus": ("prometheus",),
    "alertmanager": ("alertmanager",),
}
"""The plugin ids of each data source. Grafana 10.3 renamed that of PostgreSQL."""

MOST_NAMED = 20


def faults(chosen: Mapping[str, str], sources: Sequence[StoredSource]) -> list[str]:
    """Return a line for each chosen data source that does not exist, with those of its type."""
    return [fault for name, choice in chosen.items() if (fault := _fault(name, choice, sources))]


def unserved(pages: Iterable[Json], sources: Iterable[StoredSource]) -> list[str]:
    """Return the plugin ids of which these dashboards let the viewer choose a data source, and Grafana has none."""
    variables = [variable for page in pages for variable in page["templating"]["list"]]
    offered = dict.fromkeys(variable["query"] for variable in variables if variable["type"] == "datasource")
    types = {source.type for source in sources}
    return [kind for kind in offered if types.isdisjoint(_same(kind))]


def _fault(name: str, choice: str, sources: Sequence[StoredSource]) -> str:
    wanted, is_name = choice.removeprefix(BY_NAME), choice.startswith(BY_NAME)
    fitting = [source for source in sources if source.type in PLUGINS[name]]
    if any(wanted == (source.name if is_name else source.uid) for source in fitting):
        return ""
    what = f"the {'name' if is_name else 'uid'} {called(wanted)}"
    there = ", ".join(f"{called(source.name)} (uid {called(source.uid)})" for source in fitting[:MOST_NAMED])
    known = f"those of this type are {there}" if there else "there is none of this type: add one in Grafana first"
    return f"grafana.datasources.{name}: no data source of type {PLUGINS[name][0]} has {what}; {known}"


def _same(kind: str) -> tuple[str, ...]:
    return next((kinds for kinds in PLUGINS.values() if kind in kinds), (kind,))
