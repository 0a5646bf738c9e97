"""The options of a site for its dashboards. Every dashboard's `build` takes a `Settings`."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAMS = ("collector", "dnsbl", "zonemta", "wildduck")
"""The programs for whose metrics a site can set a job selector."""

BY_NAME = "name:"
"""The prefix of a data source that is given by its name instead of its uid."""

SOURCES = ("timescale", "prometheus", "alertmanager")
"""The data sources that a site can fix instead of letting the viewer choose."""

RUNBOOK = "https://runbooks.duckwatch.example/runbook.md"
"""The URL of the runbook, as in the alert rules."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of `duckwatch-dashboards`. The committed files are built with the defaults.

    `jobs` maps a program to its label matchers, such as `{"collector": 'job="mail/collector"'}`.
    `datasources` maps a name of SOURCES to a uid, or to `name:` and a data source's name.
    `grafana_url` is put before every link to a dashboard; without it links are relative.
    """

    title_prefix: str = ""
    tags: tuple[str, ...] = ("duckwatch",)
    time_zone: str = "browser"
    grafana_url: str = ""
    runbook_url: str = RUNBOOK
    jobs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    datasources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def runbook(self, alert: str = "") -> str:
        """Return the URL of the runbook, or of this alert's section in it."""
        return f"{self.runbook_url}#{alert.lower()}" if alert else self.runbook_url


DEFAULTS = Settings()
