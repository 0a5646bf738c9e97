"""The dashboards: each module or package of this package builds one dashboard, whose file has the module's name.

A module defines `PAGE` and `build(settings)`. The package finds a new module without a list of names.
Modules whose names begin with `_` are no dashboards.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from grafana.settings import Settings

DASHBOARDS: Mapping[str, Callable[[Settings], dict[str, Any]]] = MappingProxyType(
    {
        module.name: import_module(f"{__name__}.{module.name}").build
        for module in sorted(iter_modules(__path__), key=lambda module: module.name)
        if not module.name.startswith("_")
    }
)
"""The function that builds each dashboard, by the name of its file."""
