"""Tests that compare the dashboards' numbers with the same numbers computed in Python from the same rows."""
