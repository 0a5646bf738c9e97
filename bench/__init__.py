"""Benchmarks of the way from a request to the table (docs/benchmarks.md): `python -m bench [--quick]`."""
