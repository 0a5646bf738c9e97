"""Reads the environment variables of OpenTelemetry's specification ("Environment Variable Specification", "OTLP
Exporter") that decide which signals are sent, and by which protocol.

The SDK itself reads endpoints, headers, certificates, sampler, limits and queues.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from duckwatch.base.errors import ConfigError, Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
PROTOCOLS: Final = ("http/protobuf", "grpc")
METRIC_INTERVAL: Final = "OTEL_METRIC_EXPORT_INTERVAL"
NUMBERS: Final = (
    METRIC_INTERVAL,
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
)
"""Variables with a number. A wrong value is an error in parts of the SDK, not only a warning."""

DEFAULT_METRIC_INTERVAL_MS: Final = 60_000.0


@dataclass(frozen=True, slots=True)
class Signals:
    """The signals to send: the protocol of each, or None if it is off. `metric_seconds` is the time between two exports
    of metrics.
    """

    traces: str | None
    metrics: str | None
    metric_seconds: float


def signals_of(environ: Mapping[str, str]) -> Signals | None:
    """Return the signals to send, or None if there are none. Raise `ConfigError` with every wrong variable."""
    told = {name: value.strip() for name, value in environ.items() if name.startswith("OTEL_") and value.strip()}
    if told.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    faults: list[Fault] = []
    traces, metrics = (_protocol(signal, told, faults) for signal in ("TRACES", "METRICS"))
    if traces is None and metrics is None and not faults:
        return None
    numbers = {name: _number(name, told[name], faults) for name in NUMBERS if name in told}
    if faults:
        raise ConfigError(faults)
    return Signals(traces, metrics, numbers.get(METRIC_INTERVAL, DEFAULT_METRIC_INTERVAL_MS) / 1000)


def _protocol(signal: str, told: Mapping[str, str], faults: list[Fault]) -> str | None:
    """Return the protocol of a signal, or None if it has no endpoint or is switched off."""
    its_own = f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"
    endpoint_name = its_own if its_own in told else ENDPOINT
    switch = f"OTEL_{signal}_EXPORTER"
    exporter = told.get(switch, "otlp").lower()
    if exporter not in {"otlp", "none"}:
        faults.append(Fault(switch, "must be otlp or none"))
    if endpoint_name not in told or exporter != "otlp":
        return None
    specific = f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL"
    protocol_name = specific if specific in told else "OTEL_EXPORTER_OTLP_PROTOCOL"
    protocol = told.get(protocol_name, PROTOCOLS[0])
    if protocol not in PROTOCOLS:
        faults.append(Fault(protocol_name, f"must be {' or '.join(PROTOCOLS)}"))
    elif not _is_endpoint(told[endpoint_name]):
        # The value is not repeated: it may hold credentials.
        faults.append(
            Fault(
                endpoint_name,
                "must be a URL like http://localhost:4318 (http/protobuf) or http://localhost:4317 (grpc)",
            )
        )
    return protocol


def _is_endpoint(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:  # a port that is not a number
        return False


def _number(name: str, text: str, faults: list[Fault]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        faults.append(Fault(name, "must be a number more than 0"))
    return value
