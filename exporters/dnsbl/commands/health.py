"""The command `health`: asks the running exporter whether it is alive."""

from __future__ import annotations

from typing import Final

from duckwatch.base.health import HealthTarget

HEALTH: Final = HealthTarget(program="duckwatch-dnsbl", port=9627, route="/healthz", listen="DUCKWATCH_DNSBL__LISTEN")
