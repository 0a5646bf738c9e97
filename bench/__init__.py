"""Benchmarks from a request to its rows in the table (docs/benchmarks.md): `python -m bench [--quick]`."""
