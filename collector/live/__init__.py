"""The publisher of Grafana Live: a listener of commits, and the thread that pushes windows once a second."""
