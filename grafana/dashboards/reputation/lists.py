"""The lists themselves: whether they answer as they should, and how quickly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.fields import Card, Colour, Scale, State, Unit
from grafana.links import to_web
from grafana.panels import state_timeline, timeseries
from grafana.targets import PromQL

if TYPE_CHECKING:
    from grafana.fields import Json

HEALTH = (
    State(-1, "no metrics", Colour.FAINT),
    State(0, "healthy", Colour.GOOD),
    State(1, "unknown", Colour.WATCH),
    State(2, "refused", Colour.WATCH),
    State(3, "unhealthy", Colour.BAD),
)
HEALTH_NUMBER = (
    'min by (list) (sum without (state) (3 * duckwatch_dnsbl_list_state{state="unhealthy"} '
    'or 2 * duckwatch_dnsbl_list_state{state="refused"} or '
    'duckwatch_dnsbl_list_state{state!~"healthy|unhealthy|refused"}))'
)
"""The numbers of HEALTH. Of several exporters the one counts that the list answers best."""

LOOKUP = to_web("The list's page on this target", '${__data.fields["lookup"]}')
"""The whole URL comes from queries/reputation/lookup.sql, which puts only addresses and names into known URLs."""


def health() -> Json:
    """Return the state timeline of the lists' health."""
    return state_timeline(
        Card(
            id=9,
            title="List health",
            description=(
                "Whether each list answers its test points as RFC 5782 asks. While it does not, "
                "its verdicts are withheld. Refused: the list does not answer your resolver."
            ),
            width=12,
            height=8,
        ),
        [
            PromQL(HEALTH_NUMBER, "{{list}}"),
            # A state timeline without a series shows an error of its own.
            PromQL("vector(-1) unless on () duckwatch_dnsbl_list_state", "no DNSBL exporter is scraped", ref="B"),
        ],
        HEALTH,
    )


def verdicts() -> Json:
    """Return the chart of verdicts."""
    return timeseries(
        Card(
            id=11,
            title="Verdicts",
            description=(
                "Checks ended per second, by what they came to. Refused and error say nothing of a target: "
                "if they are many, see the lists' health, then the resolver."
            ),
            width=12,
            height=8,
        ),
        [PromQL("sum by (verdict) (rate(duckwatch_dnsbl_verdicts_total[$__rate_interval]))", "{{verdict}}")],
        Scale(Unit.PER_SECOND),
    )


def latency() -> Json:
    """Return the chart of the lists' time to answer."""
    return timeseries(
        Card(
            id=12,
            title="Time to answer, by list",
            description=(
                "From a query to its answer: all but a twentieth are quicker (p95). "
                "All lists slow: look at the resolver. One list slow: the list itself, so wait or leave it out."
            ),
            width=12,
            height=8,
        ),
        [PromQL.quantile(0.95, "duckwatch_dnsbl_query_seconds", "{{list}}", by="list")],
        Scale(Unit.SECONDS),
    )
