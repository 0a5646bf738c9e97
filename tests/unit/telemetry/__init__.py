"""Telemetry: what the environment asks for, and the registry as OTLP."""
