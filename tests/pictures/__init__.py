"""Pictures of the dashboards in a real Grafana, and what is wrong with what it shows: `python -m tests.pictures`."""
