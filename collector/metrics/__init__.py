"""The catalogue of every metric of the collector, and what feeds the ones about mail and about plugins."""

from collector.metrics.catalogue import CATALOGUE, Metrics

__all__ = ["CATALOGUE", "Metrics"]
