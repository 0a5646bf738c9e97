"""The catalogue of every metric of the collector, and the listeners that feed those of mail, logins and plugins."""

from collector.metrics.catalogue import CATALOGUE, Metrics

__all__ = ["CATALOGUE", "Metrics"]
