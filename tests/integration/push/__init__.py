"""Pushing into what is not, or not quite, a Grafana."""
