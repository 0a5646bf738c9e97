"""Benchmark of the DNSBL exporter against name servers on loopback (docs/benchmarks.md)."""
