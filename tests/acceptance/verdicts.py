"""What the sinks answered, and the same as rows of the table tell it."""

from __future__ import annotations

from collections import Counter
from typing import Any

Row = dict[str, Any]
Answer = dict[str, Any]


def accepted(answers: list[Answer]) -> Counter[tuple[str, ...]]:
    """Each recipient that a sink accepted by SMTP or LMTP, with its words: queue id, seq, recipient, reply."""
    found: Counter[tuple[str, ...]] = Counter()
    for answer in answers:
        if answer["verdict"] == "accepted" and answer["to"]:
            found[answer["id"], answer["seq"], answer["to"][0], f"{answer['code']} {answer['text']}"] += 1
    return found


def delivered(rows: list[Row]) -> Counter[tuple[str, ...]]:
    """The rows that say so."""
    return Counter(
        (row["queue_id"], row["seq"], row["recipient"], row["response"])
        for row in rows
        if row["action"] == "delivered" and row["smtp_code"] is not None
    )


def refused(answers: list[Answer]) -> Counter[tuple[Any, ...]]:
    """Each refusal: sender, recipient, SMTP code."""
    return Counter(
        (answer["from"] or None, answer["to"][0], answer["code"])
        for answer in answers
        if answer["verdict"] == "refused" and answer["to"]
    )


def failed(rows: list[Row]) -> Counter[tuple[Any, ...]]:
    """The rows that say so, deferrals and bounces alike."""
    return Counter(
        (row["sender"], row["recipient"], row["smtp_code"])
        for row in rows
        if row["action"] in ("deferred", "bounced") and row["smtp_code"] is not None
    )
