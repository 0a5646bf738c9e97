"""The exported signals, as OpenTelemetry's standard variables set them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.telemetry import Signals, signals_of
from duckwatch.base.errors import ConfigError

URL = "http://127.0.0.1:4318"
ALL = {"OTEL_EXPORTER_OTLP_ENDPOINT": URL}
HTTP = "http/protobuf"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, None),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_SERVICE_NAME": "x"}, None),
        (ALL, Signals(HTTP, HTTP, 60)),
        (ALL | {"OTEL_SDK_DISABLED": "TRUE"}, None),
        (ALL | {"OTEL_SDK_DISABLED": "yes"}, Signals(HTTP, HTTP, 60)),
        (ALL | {"OTEL_TRACES_EXPORTER": "none"}, Signals(None, HTTP, 60)),
        (ALL | {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}, None),
        (ALL | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, Signals("grpc", "grpc", 60)),
        (ALL | {"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"}, Signals(HTTP, "grpc", 60)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{URL}/v1/traces"}, Signals(HTTP, None, 60)),
        (ALL | {"OTEL_METRIC_EXPORT_INTERVAL": "1500"}, Signals(HTTP, HTTP, 1.5)),
    ],
)
def test_an_endpoint_switches_on_and_the_rest_refines(environ: dict[str, str], expected: Signals | None) -> None:
    """An endpoint switches export on, and other variables change it; an empty value counts as unset."""
    assert signals_of(environ) == expected


@pytest.mark.parametrize(
    ("environ", "keys"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "s3cret"}, ["OTEL_EXPORTER_OTLP_ENDPOINT"] * 2),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://s3cret:x"}, ["OTEL_EXPORTER_OTLP_ENDPOINT"] * 2),
        (ALL | {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "s3cret"}, ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"]),
        (ALL | {"OTEL_METRICS_EXPORTER": "s3cret"}, ["OTEL_METRICS_EXPORTER"]),
        (ALL | {"OTEL_METRIC_EXPORT_INTERVAL": "s3cret"}, ["OTEL_METRIC_EXPORT_INTERVAL"]),
        (ALL | {"OTEL_EXPORTER_OTLP_TIMEOUT": "-1"}, ["OTEL_EXPORTER_OTLP_TIMEOUT"]),
    ],
)
def test_a_fault_names_its_variable_and_not_its_value(environ: dict[str, str], keys: list[str]) -> None:
    """A fault names its variable but not its value, which may be a secret."""
    with pytest.raises(ConfigError) as raised:
        signals_of(environ)
    assert [fault.key for fault in raised.value.faults] == keys
    assert "s3cret" not in str(raised.value)


NAMES = [
    *ALL, "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_METRIC_EXPORT_INTERVAL", "OTEL_EXPORTER_OTLP_TIMEOUT",
]  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from(NAMES),
        st.one_of(st.text(max_size=20), st.sampled_from([URL, "nan", "inf", "http://[", "none"])),
    )
)
def test_any_environment_is_read_or_refused(environ: dict[str, str]) -> None:
    """Any environment gives settings or a named fault, and any interval can be waited for."""
    signals, faults = None, set()
    try:
        signals = signals_of(environ)
    except ConfigError as error:
        faults = {fault.key for fault in error.faults}
    assert faults <= set(NAMES)
    assert signals is None or 0 < signals.metric_seconds < float("inf")
