"""The options of `duckwatch-dashboards`. Each sets a key of the section `grafana`, over file and environment."""

from __future__ import annotations

import argparse
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from grafana.config import GrafanaSettings, load
from grafana.settings import BY_NAME, PROGRAMS, SOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TEXTS = {
    "url": "URL of Grafana before each link to a dashboard; without it links are relative",
    "runbook_url": "URL of the runbook",
    "title_prefix": "text before each title",
    "folder": "Grafana's folder, of a push, a ConfigMap or a resource of the operator",
    "time_zone": "browser, utc, or a zone like Europe/Berlin",
    "namespace": "namespace of the Kubernetes objects",
}
PAIRS = {
    "labels": "label of the Kubernetes objects; may be repeated",
    "instances": "label of the Grafana instances that the operator serves; may be repeated",
}


OF_PUSH = {
    "push_url": ("URL", "URL to push to; default: --url"),
    "token_file": ("FILE", "file with the token of a service account"),
    "folder_uid": ("UID", "uid of the folder; without it the folder is found by its title"),
}


class FileForm(StrEnum):
    """The form of the files that `build` writes."""

    FILES = "files"
    CONFIGMAP = "configmap"
    OPERATOR = "operator"


def add_options(parser: argparse._ActionsContainer) -> None:
    """Add an option for each key of the section `grafana`."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="duckwatch.yml, of which the section grafana is read"
    )
    for key, text in TEXTS.items():
        parser.add_argument(_flag(key), metavar="TEXT", help=text)
    parser.add_argument("--tags", action="append", metavar="TAG", help="tag of each dashboard; may be repeated")
    _add_pairs(parser, "jobs", f"matchers of the metrics of a program ({', '.join(PROGRAMS)}); may be repeated")
    sources = ", ".join(SOURCES)
    _add_pairs(parser, "datasources", f"uid of a data source ({sources}), or {BY_NAME} and its name; may be repeated")
    for key, text in PAIRS.items():
        _add_pairs(parser, key, text)


def add_push_options(parser: argparse._ActionsContainer) -> None:
    """Add the options that only `push` has. Each but `--dry-run` sets a key of the section `grafana`."""
    parser.add_argument("--dry-run", action="store_true", help="print what a push would change, and change nothing")
    for key, (metavar, text) in OF_PUSH.items():
        parser.add_argument(_flag(key), metavar=metavar, help=text)


def settings_of(options: argparse.Namespace, environ: Mapping[str, str]) -> GrafanaSettings:
    """Return the settings from file, environment and options. Raise ConfigError with every fault."""
    texts = (*TEXTS, *OF_PUSH)
    given = {key: value for key in texts if (value := getattr(options, key, None)) is not None}
    if "token_file" in given:
        environ = {key: value for key, value in environ.items() if key != "DUCKWATCH_GRAFANA__TOKEN"}
    if options.tags is not None:
        given["tags"] = json.dumps(options.tags)
    for key in ("jobs", "datasources"):
        given |= {f"{key}__{name}": value for name, value in getattr(options, key) or ()}
    for key in PAIRS:
        if (pairs := getattr(options, key)) is not None:
            given[key] = json.dumps(dict(pairs))
    overlay = {f"DUCKWATCH_GRAFANA__{key.upper()}": value for key, value in given.items()}
    return load(options.config, {**environ, **overlay})


def _add_pairs(parser: argparse._ActionsContainer, key: str, text: str) -> None:
    parser.add_argument(_flag(key), action="append", type=_pair, metavar="NAME=VALUE", help=text)


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-")


def _pair(text: str) -> Sequence[str]:
    name, is_there, value = text.partition("=")
    if not is_there or not name:
        raise argparse.ArgumentTypeError("must be NAME=VALUE")
    return name, value
