"""The code beside the collector and the exporter: the shared base, which all programs import, and the demo."""
