"""PromQL and annotations of the alerts that fire, from the series `ALERTS` that Prometheus makes of its rules."""

from __future__ import annotations

from grafana.annotations import PromAnnotation
from grafana.fields import Colour

CLUSTERS = ('mail_cluster=~"$cluster"', 'mail_cluster=""')
"""Matchers of the alerts of the chosen clusters, and of those that belong to no cluster."""


def firing(where: str) -> str:
    """Return the expression of duckwatch's firing alerts with these matchers, each with the value 1.

    They are those of the chosen clusters and of none. A site's other alerts are left out by their name.
    """
    return " or ".join(_firing(f"{where},{matcher}") for matcher in CLUSTERS)


def alert_marks(*components: str, clusters: bool = True) -> tuple[PromAnnotation, PromAnnotation]:
    """Return the annotations of the critical and of the other alerts of these components, or of all without any.

    `clusters` is False for a dashboard without a variable for the cluster.
    """
    of = f',component=~"{"|".join(components)}"' if components else ""
    return (
        _marks("Critical alerts", f'severity="critical"{of}', Colour.BAD, clusters=clusters),
        _marks("Other alerts", f'severity!~"critical|none"{of}', Colour.WATCH, clusters=clusters),
    )


def _marks(name: str, where: str, colour: Colour, *, clusters: bool) -> PromAnnotation:
    """Return the annotation of the moments at which such alerts begin to fire, one for each alert and cluster.

    Only the beginning: Grafana 10.1 fills the time until the end, too, but not if the first annotation is from SQL, and
    with many alerts it fills the chart until nothing else is seen.
    """
    each = [f"{where},{matcher}" for matcher in CLUSTERS] if clusters else [where]
    begun = " or ".join(
        f"max_over_time({_firing(one)}[$__interval]) unless {_firing(one)} offset $__interval" for one in each
    )
    by = "alertname, mail_cluster"
    return PromAnnotation(
        name, f"count by ({by}) ({begun})", "{{alertname}}", "began to fire", colour, tags=("mail_cluster",)
    )


def _firing(where: str) -> str:
    return f'ALERTS{{alertstate="firing",alertname=~"Duckwatch.+",{where}}}'
