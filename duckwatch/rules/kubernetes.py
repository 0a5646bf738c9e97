"""Rule files as resources of the Prometheus operator."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from duckwatch.rules.pack import dump

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckwatch.rules.pack import Document


def prometheus_rule(path: str, document: Document, labels: Mapping[str, str], namespace: str | None) -> str:
    """Return the YAML of a PrometheusRule with the groups of one rule file.

    kube-prometheus-stack takes only resources with its label `release`.
    """
    place = PurePath(path)
    name = "-".join(("duckwatch", *place.parent.parts, place.stem))
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    metadata_labels = {"app.kubernetes.io/part-of": "duckwatch", **labels}
    return dump(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {**metadata, "labels": metadata_labels},
            "spec": {"groups": document["groups"]},
        }
    )
