"""The DNSBL exporter measured against name servers on loopback (docs/benchmarks.md)."""
