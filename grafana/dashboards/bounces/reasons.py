"""The row of reasons: what the servers' replies mean, and how many mean nothing that we know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import denominator
from grafana.fields import TOO_LITTLE, Card, Override, Scale, Unit
from grafana.panels import Style, timeseries
from grafana.targets import Sql

if TYPE_CHECKING:
    from grafana.fields import Json


def reasons() -> list[Json]:
    """Return the row's panels."""
    return [_bounced(), _deferred(), _unexplained()]


def _bounced() -> Json:
    return _by_reason(
        4,
        "bounced",
        "Bounces by reason",
        "Recipients per bin whose mail has failed for good. `unknown_user` is the list of recipients; `reputation`, "
        "`policy` and `authentication` are about us; `connection` and `dns` about the other end.",
    )


def _deferred() -> Json:
    return _by_reason(
        5,
        "deferred",
        "Deferrals by reason",
        "Attempts per bin that ZoneMTA repeats by itself. `greylisted` passes; `rate_limited` passes if the rate "
        "falls; `reputation` and `policy` become bounces when the retries run out: act now.",
    )


def _by_reason(number: int, action: str, title: str, description: str) -> Json:
    return timeseries(
        Card(id=number, title=title, description=description, width=9, height=9),
        [Sql(f"bounces/{action}_by_reason")],
        Scale(Unit.COUNT),
        style=Style.BARS,
        legend=["sum"],
    )


def _unexplained() -> Json:
    return timeseries(
        Card(
            id=6,
            title="Replies without a reason",
            description=(
                "Share of the replies of bounces and deferrals in the hour before whose words no rule knows; the "
                "dotted line counts these replies. An hour with fewer than 100 has no point. If the share rises, a "
                "provider has new words: read the new replies below."
            ),
            width=6,
            height=9,
        ),
        [Sql("bounces/unexplained")],
        Scale(Unit.RATIO, empty=TOO_LITTLE),
        overrides=[Override("without a reason", (("max", 1),)), denominator("replies", by="byName")],
    )
