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
"""The label that the sidecar of Grafana's Helm charts selects by, unless its setting `label` names another."""

FOLDER_ANNOTATION = "grafana_folder"
"""The annotation that names the folder, if the sidecar's setting `folderAnnotation` is set to this name."""


def config_map(page: Json, settings: GrafanaSettings) -> str:
    """Return the YAML of a ConfigMap with this dashboard.

    The sidecar puts the files of all ConfigMaps into one folder, so the file is named by the uid, which is unique.
    """
    metadata = _metadata(page["uid"], settings, SIDECAR_LABEL)
    metadata["annotations"] = {FOLDER_ANNOTATION: settings.folder}
    data = {f"{page['uid']}.json": dumps(page)}
    return _yaml({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def operator_resource(page: Json, settings: GrafanaSettings) -> str:
    """Return the YAML of a GrafanaDashboard (v1beta1) for the Grafana instances with labels `settings.instances`."""
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
    """Writes the JSON as a block of lines, so that a diff shows the line that changed."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def _yaml(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf"))
