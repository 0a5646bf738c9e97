"""The rule files as they are shipped, and how such files are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

_INSTALLED: Final = Path(__file__).parents[1] / "alert-rules"
_REPOSITORY: Final = Path(__file__).parents[2] / "alert-rules"

RULES: Final = _INSTALLED if _INSTALLED.is_dir() else _REPOSITORY
"""The folder alert-rules: inside the package when it is installed from a wheel, else of the repository."""

RULE_FOLDERS: Final = ("recording", "alerts")
THRESHOLDS: Final = "thresholds.yml"

Document = dict[str, Any]
"""A rule file, as YAML holds it."""


def flat(path: str) -> str:
    """Return the file name of a rule file's resource: resources are in one folder."""
    return path.replace("/", "-")


def rule_files(folder: Path = RULES) -> dict[str, Document]:
    """Return each rule file by its path below the folder: the thresholds, the recording rules, the alerts.

    A resource of the Prometheus operator counts as the rule file of which it was made.
    Raise OSError for a file that cannot be read, yaml.YAMLError for one that is no YAML, and ValueError for one that
    has no rules.
    """
    paths = [folder / THRESHOLDS]
    for name in RULE_FOLDERS:
        paths += sorted([*(folder / name).glob("*.yml"), *folder.glob(flat(f"{name}/*.yml"))])
    return {str(path.relative_to(folder)): _document(path) for path in paths}


def _document(path: Path) -> Document:
    """Return the rule file, or the one in a PrometheusRule. Raise ValueError if there is none."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    found: object = document.get("spec", document) if isinstance(document, dict) else None
    if isinstance(found, dict) and isinstance(found.get("groups"), list):
        return found
    raise ValueError(f"{path}: is neither a rule file nor a PrometheusRule: it has no `groups`")


def other_files(folder: Path = RULES) -> dict[str, str]:
    """Return the text of each file that is no rule file: Alertmanager's, Prometheus's, the templates, the runbook."""
    rules = {folder / THRESHOLDS, *(path for name in RULE_FOLDERS for path in folder.glob(flat(f"{name}/*.yml")))}
    paths = {*folder.glob("*.yml"), *folder.glob("*.md"), *(folder / "templates").glob("*.tmpl")} - rules
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in sorted(paths)}


def dump(document: object) -> str:
    """Return the document as YAML; a text of several lines is a block, so that people can read expressions."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """PyYAML's dumper with blocks for texts of several lines, and without aliases."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  # the signature is PyYAML's
        return True


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)


_Dumper.add_representer(str, _text)
