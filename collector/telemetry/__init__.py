"""OpenTelemetry: spans and metrics by OTLP, as the standard OTEL_* variables say (docs/telemetry.md).

Only `environment` may be imported while telemetry is off: the other modules import opentelemetry, which takes 30 MB and
half a second.
"""

from collector.telemetry.environment import Signals, signals_of

__all__ = ["Signals", "signals_of"]
