"""Takes pictures of the dashboards in a real Grafana, and reports their faults: `python -m tests.pictures`."""
