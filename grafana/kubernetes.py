"""Dashboards as objects of Kubernetes: a ConfigMap for Grafana's sidecar, or a resource of the Grafana operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from grafana.normalise import dumps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from grafana.config import GrafanaSettings
    from grafana.fields import Json

SIDECAR_LABEL = {"grafana_dashboard": "1"}
"""What the sidecar of Grafana's Helm charts looks for, unless its `label` says otherwise."""

FOLDER_ANNOTATION = "grafana_folder"
"""What the sidecar takes the folder from when its `folderAnnotation` is set to this name."""


def config_map(page: Json, settings: GrafanaSettings) -> str:
    """Return the YAML of a ConfigMap with this dashboard. The sidecar puts all files into one folder:
    the file is named by the uid, which no other dashboard has.
    """
    metadata = _metadata(page["uid"], settings, SIDECAR_LABEL)
    metadata["annotations"] = {FOLDER_ANNOTATION: settings.folder}
    data = {f"{page['uid']}.json": dumps(page)}
    return _yaml({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def operator_resource(page: Json, settings: GrafanaSettings) -> str:
    """Return the YAML of a GrafanaDashboard (v1beta1), for the instances that have the labels of the settings."""
    spec = {
        "instanceSelector": {"matchLabels": dict(settings.instances)},
        "folder": settings.folder,
        "json": dumps(page),
    }
    metadata = _metadata(page["uid"], settings, {})
    api = "grafana.integreatly.org/v1beta1"
    return _yaml({"apiVersion": api, "kind": "GrafanaDashboard", "metadata": metadata, "spec": spec})


def _metadata(name: str, settings: GrafanaSettings, own: Mapping[str, str]) -> dict[str, Any]:
    out: dict[str, Any] = {"name": name}
    if settings.namespace is not None:
        out["namespace"] = settings.namespace
    labels = {"app.kubernetes.io/part-of": "duckwatch", **own, **settings.labels}
    return out | {"labels": labels}


class _Dumper(yaml.SafeDumper):
    """Writes the JSON as a block of lines, as a person would: a diff shows the line that changed."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def _yaml(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf"))
