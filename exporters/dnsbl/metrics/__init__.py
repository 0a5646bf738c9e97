"""Metrics: the catalogue, and the page that a scrape gets."""

from exporters.dnsbl.metrics.catalogue import CATALOGUE, Metrics
from exporters.dnsbl.metrics.pairs import PairLines

__all__ = ["CATALOGUE", "Metrics", "PairLines"]
