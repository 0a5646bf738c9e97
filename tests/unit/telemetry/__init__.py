"""Telemetry: the environment's settings, and the registry as OTLP."""
