"""Metrics: the catalogue, and the page that answers a scrape."""

from exporters.dnsbl.metrics.catalogue import CATALOGUE, Metrics
from exporters.dnsbl.metrics.pairs import PairLines

__all__ = ["CATALOGUE", "Metrics", "PairLines"]
