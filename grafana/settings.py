"""What a site may choose of its dashboards. Every dashboard's `build` is handed one of these."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAMS = ("collector", "dnsbl", "zonemta", "wildduck")
"""Whose metrics a job selector can name."""

BY_NAME = "name:"
"""Before the name of a data source that is fixed by its name instead of its uid."""

SOURCES = ("timescale", "prometheus", "alertmanager")
"""The data sources that can be fixed."""

RUNBOOK = "https://runbooks.duckwatch.example/runbook.md"
"""As the alert rules have it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of `duckwatch-dashboards`. The defaults make the committed files.

    `jobs` has matchers by program, such as `{"collector": 'job="mail/collector"'}`.
    `datasources` has uids by SOURCES' names, or `name:` and a data source's name.
    `grafana_url` goes before every link to a dashboard; without it links are relative.
    """

    title_prefix: str = ""
    tags: tuple[str, ...] = ("duckwatch",)
    time_zone: str = "browser"
    grafana_url: str = ""
    runbook_url: str = RUNBOOK
    jobs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    datasources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def runbook(self, alert: str = "") -> str:
        """Return the URL of the runbook, at the section of this alert."""
        return f"{self.runbook_url}#{alert.lower()}" if alert else self.runbook_url


DEFAULTS = Settings()
