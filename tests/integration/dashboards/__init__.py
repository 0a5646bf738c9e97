"""The numbers of the dashboards, beside the same numbers computed in Python from the same rows."""
