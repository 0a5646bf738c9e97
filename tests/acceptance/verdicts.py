"""Counts of the sinks' answers, and the same counts from rows of `mail_events`."""

from __future__ import annotations

from collections import Counter
from typing import Any

Row = dict[str, Any]
Answer = dict[str, Any]


def accepted(answers: list[Answer]) -> Counter[tuple[str, ...]]:
    """Count the acceptances by SMTP or LMTP, by queue id, seq, recipient and reply."""
    found: Counter[tuple[str, ...]] = Counter()
    for answer in answers:
        if answer["verdict"] == "accepted" and answer["to"]:
            found[answer["id"], answer["seq"], answer["to"][0], f"{answer['code']} {answer['text']}"] += 1
    return found


def delivered(rows: list[Row]) -> Counter[tuple[str, ...]]:
    """Count the delivered rows with an SMTP code, by the same key as `accepted`."""
    return Counter(
        (row["queue_id"], row["seq"], row["recipient"], row["response"])
        for row in rows
        if row["action"] == "delivered" and row["smtp_code"] is not None
    )


def refused(answers: list[Answer]) -> Counter[tuple[Any, ...]]:
    """Count the refusals, by sender, recipient and SMTP code."""
    return Counter(
        (answer["from"] or None, answer["to"][0], answer["code"])
        for answer in answers
        if answer["verdict"] == "refused" and answer["to"]
    )


def failed(rows: list[Row]) -> Counter[tuple[Any, ...]]:
    """Count the deferred and bounced rows with an SMTP code, by the same key as `refused`."""
    return Counter(
        (row["sender"], row["recipient"], row["smtp_code"])
        for row in rows
        if row["action"] in ("deferred", "bounced") and row["smtp_code"] is not None
    )
