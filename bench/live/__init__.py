"""The benchmark of Grafana Live."""
