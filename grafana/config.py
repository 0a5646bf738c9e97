"""The section `grafana` of duckwatch.yml: every key, its type and its default (docs/configuration.md)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

from duckwatch.base.config import loading
from duckwatch.base.config.values import BearerToken, Section, SettingsDocument
from duckwatch.base.selectors import checked_matchers
from grafana.settings import BY_NAME, RUNBOOK, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_UID: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LABEL_NAME: Final = re.compile(
    r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
)
_LABEL_VALUE: Final = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")

LONGEST_TAG: Final = 50
"""The longest tag, in characters, that Grafana's database stores."""

LONGEST_PREFIX: Final = 80


def _check_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
    except ValueError:
        good = False
    if not good or "@" in value or re.search(r"[\s()]", value):
        raise ValueError("must be a URL like https://grafana.example.com, without user and password")
    return value.rstrip("/")


def _check_datasource(value: str) -> str:
    name = value.removeprefix(BY_NAME)
    if not (name.strip() == name != "" if value.startswith(BY_NAME) else _UID.fullmatch(value)):
        raise ValueError(
            "must be the uid of a data source (40 letters, digits, - and _ at most), or name: and its name"
        )
    return value


def _check_uid(value: str) -> str:
    if not _UID.fullmatch(value):
        raise ValueError("must be 1 to 40 letters, digits, - and _")
    return value


def _check_time_zone(value: str) -> str:
    if value not in {"browser", "utc"} | available_timezones():
        raise ValueError("must be browser, utc, or a time zone like Europe/Berlin")
    return value


def _check_folder(value: str) -> str:
    if not value.strip() or re.search(r'[/\\?%*:|"<>\x00-\x1f]', value) or value.startswith("."):
        raise ValueError("must be the title of a folder, without slashes and without . at its beginning")
    return value


def _check_namespace(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("must be the name of a Kubernetes namespace")
    return value


def _check_tag(value: str) -> str:
    if not 1 <= len(value) <= LONGEST_TAG:
        raise ValueError(f"must have 1 to {LONGEST_TAG} characters")
    return value


def _check_prefix(value: str) -> str:
    if len(value) > LONGEST_PREFIX:
        raise ValueError(f"must have at most {LONGEST_PREFIX} characters")
    return value


def _check_labels(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not _LABEL_NAME.fullmatch(name) or not _LABEL_VALUE.fullmatch(text):
            raise ValueError('must be labels of Kubernetes like {"dashboards": "grafana"}')
    return value


Url = Annotated[str, AfterValidator(_check_url)]
Matchers = Annotated[str, AfterValidator(checked_matchers)]
DatasourceName = Annotated[str, AfterValidator(_check_datasource)]
Labels = Annotated[dict[str, str], AfterValidator(_check_labels)]


class JobSettings(Section):
    """Which series are ours, by the program that exposes them."""

    collector: Matchers | None = None
    dnsbl: Matchers | None = None
    zonemta: Matchers | None = None
    wildduck: Matchers | None = None


class DatasourceSettings(Section):
    """The data sources that are fixed, instead of chosen by the viewer."""

    timescale: DatasourceName | None = None
    prometheus: DatasourceName | None = None
    alertmanager: DatasourceName | None = None


class GrafanaSettings(Section):
    """The section `grafana`."""

    url: Url | None = None
    runbook_url: Url = RUNBOOK
    title_prefix: Annotated[str, AfterValidator(_check_prefix)] = ""
    tags: tuple[Annotated[str, AfterValidator(_check_tag)], ...] = ("duckwatch",)
    folder: Annotated[str, AfterValidator(_check_folder)] = "Mail"
    folder_uid: Annotated[str, AfterValidator(_check_uid)] | None = None
    push_url: Url | None = None
    token: BearerToken | None = None
    time_zone: Annotated[str, AfterValidator(_check_time_zone)] = "browser"
    jobs: JobSettings = JobSettings()
    datasources: DatasourceSettings = DatasourceSettings()
    namespace: Annotated[str, AfterValidator(_check_namespace)] | None = None
    labels: Labels = Field(default_factory=dict)
    instances: Labels = Field(default_factory=lambda: {"dashboards": "grafana"})

    def settings(self) -> Settings:
        """Return the settings that the dashboards' `build` functions take."""
        return Settings(
            title_prefix=self.title_prefix,
            tags=self.tags,
            time_zone=self.time_zone,
            grafana_url=self.url or "",
            runbook_url=self.runbook_url,
            jobs=_given(self.jobs),
            datasources=_given(self.datasources),
        )


class DashboardDocument(SettingsDocument):
    """What `duckwatch-dashboards` reads of duckwatch.yml."""

    grafana: GrafanaSettings = GrafanaSettings()


def load(path: Path | None, environ: Mapping[str, str]) -> GrafanaSettings:
    """Return the settings of `path` (None: defaults), overridden by `environ`. Raise ConfigError with every fault."""
    return loading.load(DashboardDocument, path, environ).settings.grafana


def _given(section: Section) -> dict[str, str]:
    return {name: value for name, value in section.model_dump().items() if value is not None}
