"""Every dashboard by the name of its file; a new one is a module beside this page and a line in `DASHBOARDS`."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from grafana.dashboards import overview, reputation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DASHBOARDS: Mapping[str, Callable[[], dict[str, Any]]] = MappingProxyType(
    {"overview": overview.build, "reputation": reputation.build}
)
