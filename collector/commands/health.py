"""The command `health`: asks the running collector whether it is ready."""

from __future__ import annotations

from typing import Final

from duckwatch.base.health import HealthTarget

HEALTH: Final = HealthTarget(
    program="duckwatch-collector",
    port=9626,
    route="/readyz",
    listen="DUCKWATCH_COLLECTOR__LISTEN",
    certificate="DUCKWATCH_COLLECTOR__TLS__CERTIFICATE",
)
