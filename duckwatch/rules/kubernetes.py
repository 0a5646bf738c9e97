"""Rule files as resources of the Prometheus operator."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from duckwatch.rules.pack import dump

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckwatch.rules.pack import Document

_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_NAMESPACE: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ and …/names/ (RFC 1123 label)."""


def checked_namespace(text: str) -> str:
    """Return the name of a namespace. Raise ValueError if Kubernetes would refuse it."""
    if not _NAMESPACE.fullmatch(text):
        raise ValueError("must be a name of Kubernetes: up to 63 small letters, digits and - between them")
    return text


def label_problem(name: str, value: str) -> str:
    """Return what Kubernetes would refuse of a label, or ""."""
    prefix, slash, rest = name.rpartition("/")
    if not _NAME.fullmatch(rest) or (slash and not all(map(_NAMESPACE.fullmatch, prefix.split(".")))):
        return "NAME must be the name of a label of Kubernetes, as release or example.com/release"
    return "" if _NAME.fullmatch(value) else "VALUE must be that of a label of Kubernetes: letters, digits, -, _ and ."


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
