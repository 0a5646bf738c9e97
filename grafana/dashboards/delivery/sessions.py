"""How quickly mail is delivered, and how safely."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import column
from grafana.dashboards.delivery.providers import FEW, TO_PROVIDER
from grafana.fields import Card, Colour, Scale, Step, Unit
from grafana.panels import table, timeseries
from grafana.targets import PromQL, Sql

if TYPE_CHECKING:
    from grafana.fields import Json

PLAIN_TEXT = (Step(Colour.GOOD), Step(Colour.WATCH, 0.01), Step(Colour.BAD, 0.1))


def percentiles() -> Json:
    """Return the chart of the time in the queue, of all mail."""
    return timeseries(
        Card(
            id=10,
            title="Waited until delivered",
            description=(
                "50, 95 and 99 of 100 delivered recipients had waited less than this since their message was queued; "
                "one day at most is told. p50 rises: all mail waits. Only p99 rises: a few destinations are slow."
            ),
            width=12,
            height=9,
        ),
        [Sql("delivery/percentiles")],
        Scale(Unit.SECONDS),
        log=True,
    )


def sessions() -> Json:
    """Return the chart of the length of SMTP sessions."""
    return timeseries(
        Card(
            id=12,
            title="SMTP session, p95",
            description=(
                "How long a session with each provider lasts: all but a twentieth are shorter. "
                "One provider rises: it is slow, or slows us down on purpose. All rise: our network or name server is."
            ),
            width=12,
            height=9,
        ),
        [
            PromQL.quantile(
                0.95,
                "duckwatch_smtp_session_seconds",
                "{{provider}}",
                by="provider",
                where='mail_cluster=~"$cluster", provider=~"$provider"',
            )
        ],
        Scale(Unit.SECONDS),
    )


def tls() -> Json:
    """Return the table of encryption."""
    return table(
        Card(
            id=11,
            title="Encryption",
            description=(
                "Deliveries of the last six hours of the range at most, and the shares that went unencrypted, with a "
                "certificate that does not fit, and with each version of TLS. "
                "Unencrypted to a provider that had encryption yesterday: somebody may be in between, or our TLS is "
                "broken. Fewer than 100: no share."
            ),
            width=24,
            height=10,
        ),
        [Sql("delivery/tls", table=True)],
        overrides=[
            column("provider", "Provider", None, links=[TO_PROVIDER]),
            column("delivered", "Delivered", 100, unit=Unit.COUNT),
            column("plain_share", "Unencrypted", 120, unit=Unit.RATIO, decimals=1, thresholds=PLAIN_TEXT, empty=FEW),
            column("unverified_share", "Certificate unfit", 140, unit=Unit.RATIO, decimals=1, empty=FEW),
            column("newest_share", "TLS 1.3", 95, unit=Unit.RATIO, decimals=1, empty=FEW),
            column("tls12_share", "TLS 1.2", 95, unit=Unit.RATIO, decimals=1, empty=FEW),
            column("old_share", "Older TLS", 105, unit=Unit.RATIO, decimals=1, empty=FEW),
        ],
    )
