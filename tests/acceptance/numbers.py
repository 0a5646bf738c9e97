"""The expected counters of /metrics, counted from rows of `mail_events` (docs/metrics.md)."""

from __future__ import annotations

from collections import Counter
from typing import Any

Row = dict[str, Any]
Labels = tuple[tuple[str, str], ...]

OUTCOMES = {"delivered": "delivered", "deferred": "deferred", "bounced": "bounced"}
REFUSING = {"reputation", "policy", "authentication", "content"}
OUTCOME_OF_REASON = {"reputation": "blocklisted", "rate_limited": "rate_limited"}


def labels(**values: str | None) -> Labels:
    """Return a sample's labels, sorted. A missing value becomes `none`."""
    return tuple(sorted((name, value or "none") for name, value in values.items()))


def counters(rows: list[Row]) -> dict[str, Counter[Labels]]:
    """Return the expected values by metric and labels, without samples of zero."""
    found: dict[str, Counter[Labels]] = {name: Counter() for name in COUNTED}
    for row in rows:
        where = {"mail_cluster": row["cluster"], "zone": row["zone"], "provider": row["provider"]}
        found["duckwatch_mail_events_total"][labels(**where, action=row["action"])] += 1
        if row["direction"] == "outbound":
            _count_outbound(found, row, where)
        if row["smtp_ms"] is not None:
            found["duckwatch_smtp_session_seconds_count"][
                labels(mail_cluster=row["cluster"], provider=row["provider"])
            ] += 1
        found["duckwatch_event_commit_delay_seconds_count"][labels(source=row["source"])] += 1
    return found


def _count_outbound(found: dict[str, Counter[Labels]], row: Row, where: dict[str, str | None]) -> None:
    if row["action"] == "queued":
        found["duckwatch_mail_recipients_queued_total"][labels(mail_cluster=row["cluster"])] += row["recipients"]
    if row["action"] == "bounced":
        kind = labels(**where, reason=row["reason"], kind=row["bounce_kind"])
        found["duckwatch_mail_bounces_total"][kind] += 1
    if row["action"] == "deferred":
        found["duckwatch_mail_deferrals_total"][labels(**where, reason=row["reason"])] += 1
    if row["action"] in OUTCOMES:
        found["duckwatch_mail_outcomes_total"][labels(**where, **{"class": _class(row)})] += 1
    if row["action"] == "delivered":
        found["duckwatch_mail_delivery_seconds_count"][labels(**where)] += 1
    if row["action"] in OUTCOMES and row["local_ip"] is not None:
        outcome = OUTCOME_OF_REASON.get(row["reason"], OUTCOMES[row["action"]])
        address = labels(local_ip=row["local_ip"], provider=row["provider"], outcome=outcome)
        found["duckwatch_sending_ip_events_total"][address] += 1


def _class(row: Row) -> str:
    """Return the class of an outcome by the words of docs/events.md, section 3."""
    if row["action"] == "delivered":
        return "delivered"
    if row["action"] == "deferred":
        return "deferred_block" if row["reason"] in REFUSING else "deferred"
    if row["bounce_kind"] in {"hard", "expired"}:
        return str(row["bounce_kind"])
    if row["reason"] in REFUSING | {"rate_limited", "greylisted"}:
        return "block"
    return "other" if row["reason"] == "other" else "soft"


COUNTED = (
    "duckwatch_mail_events_total",
    "duckwatch_mail_recipients_queued_total",
    "duckwatch_mail_bounces_total",
    "duckwatch_mail_deferrals_total",
    "duckwatch_mail_outcomes_total",
    "duckwatch_mail_delivery_seconds_count",
    "duckwatch_smtp_session_seconds_count",
    "duckwatch_sending_ip_events_total",
    "duckwatch_event_commit_delay_seconds_count",
)


def shown(metrics: dict[str, dict[Labels, float]]) -> dict[str, Counter[Labels]]:
    """Return the same counters from a page of /metrics, without samples of zero."""
    return {
        name: Counter({key: int(value) for key, value in metrics.get(name, {}).items() if value}) for name in COUNTED
    }
