"""The charts of *Reputation* that show what an alert compares, beside the limit that it compares it with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana.columns import dashed, denominator, right_axis
from grafana.fields import Card, Colour, Override, Scale, Unit
from grafana.links import DashboardUid, to_dashboard
from grafana.panels import timeseries
from grafana.targets import PromQL

if TYPE_CHECKING:
    from grafana.fields import Json

HERE = 'mail_cluster=~"$cluster"'
LEAST_AN_HOUR = "max(all:duckwatch_reputation_enforced_least_per_hour:limit)"


def refused_share() -> Json:
    """Return the chart of each address's share of refusals for reputation, with its limit and the attempts."""
    attempts = "3600 * sum by (local_ip) (local_ip_provider:duckwatch_sending_ip_events:rate30m)"
    return timeseries(
        Card(
            id=22,
            title="Share refused for reputation, and the limit",
            description=(
                "Of the attempts of each sending address, those deferred or bounced for reputation, a mean of 30 "
                "minutes, of all clusters; the dotted lines say how many attempts it makes in an hour. No share where "
                "they are fewer than the alert wants refusals. "
                "DuckwatchDnsblListedAndEnforced fires for a listed address above the "
                "limit, if the refusals beside this are above theirs too: then take the address out of its pool. "
                "Above the limit without a listing: the provider has a list of its own."
            ),
            width=12,
            height=8,
            links=(to_dashboard(DashboardUid.DELIVERY, "By provider and address"),),
        ),
        [
            PromQL(
                "local_ip:duckwatch_sending_ip_refused_ratio:rate30m"
                f" and on (local_ip) ({attempts} >= on () group_left () {LEAST_AN_HOUR})",
                "{{local_ip}}",
            ),
            PromQL("max(all:duckwatch_reputation_enforced_ratio_critical:limit)", "limit", "B"),
            PromQL(attempts, "{{local_ip}}, attempts an hour", "C"),
        ],
        Scale(Unit.RATIO),
        overrides=[dashed("limit", Colour.BAD), denominator("C")],
    )


def refusals_an_hour() -> Json:
    """Return the chart of each address's refusals for reputation an hour, with the least that the alert judges."""
    return timeseries(
        Card(
            id=23,
            title="Refusals for reputation an hour, and the limit",
            description=(
                "The same refusals as a number, at the pace of the last 30 minutes. Below the limit a listing counts "
                "as not enforced: a few refusals come every day. Above it, compare the share beside this."
            ),
            width=12,
            height=8,
        ),
        [
            PromQL("local_ip:duckwatch_sending_ip_refusals:rate30m * 3600", "{{local_ip}}"),
            PromQL(LEAST_AN_HOUR, "limit", "B"),
        ],
        Scale(Unit.COUNT),
        overrides=[dashed("limit", Colour.BAD)],
    )


def complaints() -> Json:
    """Return the chart of the share of complaints by provider, with both limits."""
    ratio = f"mail_cluster_provider:duckwatch_mail_complaint_ratio:rate1d{{{HERE}}}"
    number = f"mail_cluster_provider:duckwatch_mail_complaints:increase1d{{{HERE}}}"
    least = "mail_cluster_provider:duckwatch_complaint_least_deliveries_per_day:limit"
    limit = f"min(mail_cluster_provider:duckwatch_complaint_ratio_%s:limit{{{HERE}}})"
    return timeseries(
        Card(
            id=24,
            title="Complaints of a day, and the limits",
            description=(
                "Complaints as a share of what a day delivered to that provider; the dotted lines count them. No share "
                "where a day delivers less than the alert judges. Google and Yahoo ask for less than 0.1 % and block "
                "from 0.3 %; DuckwatchComplaintRatioHigh fires at these lines. Over one: find the sender on Tenants. "
                "Gmail sends no complaints: see Google Postmaster Tools."
            ),
            width=24,
            height=8,
            links=(to_dashboard(DashboardUid.TENANTS, "By sending domain"),),
            empty="no complaints: no provider has reported any, or none sends reports to the collector",
        ),
        [
            PromQL(f"{ratio} and {number} / {ratio} >= {least}", "{{mail_cluster}} / {{provider}}"),
            PromQL(f"{number} > 0", "{{mail_cluster}} / {{provider}}, complaints", "B"),
            PromQL(limit % "warning", "limit of a warning", "C"),
            PromQL(limit % "critical", "critical limit", "D"),
        ],
        Scale(Unit.RATIO),
        overrides=[
            _counted(),
            dashed("limit of a warning", Colour.WATCH),
            dashed("critical limit", Colour.BAD),
        ],
    )


def check_ages() -> Json:
    """Return the chart of the age of each list's last check, with its limit."""
    look = (*dashed("B").properties, ("custom.hideFrom", {"legend": True, "tooltip": False, "viz": False}))
    return timeseries(
        Card(
            id=10,
            title="Age of the last check",
            description=(
                "Since when each list has given no real verdict. It should stay below the interval of the checks. "
                "The dashed line is the limit of DuckwatchDnsblChecksStale, some intervals: above it the list's last "
                "verdicts are no longer shown. See the health beside this for the cause."
            ),
            width=12,
            height=8,
        ),
        [
            PromQL("time() - max by (list) (duckwatch_dnsbl_last_check_timestamp_seconds)", "{{list}}"),
            PromQL(
                "max by (list) (duckwatch_dnsbl_check_interval_seconds)"
                " * on () group_left () max(all:duckwatch_reputation_stale_intervals_warning:limit)",
                "{{list}}, limit",
                "B",
            ),
        ],
        Scale(Unit.SECONDS),
        overrides=[Override("B", look, by="byFrameRefID")],
    )


def _counted() -> Override:
    """Return the look of the numbers of complaints: dotted lines on their own axis."""
    look = (
        *right_axis("B", Unit.COUNT).properties,
        ("custom.lineStyle", {"fill": "dot", "dash": [2, 6]}),
        ("custom.fillOpacity", 0),
    )
    return Override("B", look, by="byFrameRefID")
