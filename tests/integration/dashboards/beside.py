"""Made-up rows of the other tables that panels read, and inbound mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from collector.events.model.event import Action, Direction, MailEvent, Source
from tests.integration.dashboards.made_week import CLUSTERS, DAY, HOUR, MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = dict[str, Any]
"""Column -> value; times are epoch ms under the names of `TIMES`."""

TIMES = frozenset({"time", "received_at", "standing_since", "oldest", "oldest_unsent", "next_attempt"})


def inbound(end: int) -> list[MailEvent]:
    """Return stored mail and users' spam and ham marks: one event every twenty minutes of the week."""
    actions = (Action.STORED, Action.STORED, Action.STORED, Action.MARKED_SPAM, Action.MARKED_HAM)
    return [
        MailEvent(
            end - 7 * DAY + number * 20 * MINUTE,
            CLUSTERS[number % 3],
            None,
            f"wd:{number}",
            actions[number % 5],
            Source.WILDDUCK if number % 5 > 2 else Source.CHANGE_STREAM,
            Direction.INBOUND,
            recipients=1,
            sender_domain=("news.example", None)[number % 2],
            category="junk" if number % 5 == 0 else None,
            size_bytes=1000 + number,
            received_at=end,
        )
        for number in range(7 * 72)
    ]


def beside(end: int) -> dict[str, list[Row]]:
    """Return the rows of each other table."""
    return {
        "dnsbl_results": [*_results(end)],
        "plugin_reports": [*_reports(end)],
        "queue_snapshots": [*_snapshots(end)],
        "auth_events": [*_logins(end)],
    }


def _results(end: int) -> Iterator[Row]:
    for cluster in CLUSTERS[:2]:
        for target, listed_at, clean_at in (("192.0.2.5", 5 * DAY, None), ("192.0.2.6", 2 * HOUR, HOUR)):
            changes = [(6 * DAY, "clean"), (listed_at, "listed"), *([(clean_at, "clean")] if clean_at else [])]
            for ago, verdict in changes:
                is_listed = verdict == "listed"
                yield {
                    "time": end - ago,
                    "cluster": cluster,
                    "event_id": f"{target}:{verdict}:{ago}",
                    "target": target,
                    "kind": "address",
                    "list": "bl.example",
                    "verdict": verdict,
                    "codes": ["127.0.0.2"] if is_listed else [],
                    "meanings": ["spam", "<b>"] if is_listed else [],
                    "severity": "critical" if is_listed else None,
                    "reason": "'why' \\" if is_listed else None,
                    "standing": verdict,
                    "standing_since": end - ago,
                    "received_at": end,
                }


def _reports(end: int) -> Iterator[Row]:
    for number, cluster in enumerate((*CLUSTERS, "idle")):
        yield {
            "cluster": cluster,
            "host": "mta1",
            "process": "p",
            "version": "1",
            "spool_bytes": number * 1000,
            "oldest_unsent": end - MINUTE if number % 2 else None,
            "dropped": number,
            "received_at": end,
        }


def _snapshots(end: int) -> Iterator[Row]:
    """Yield snapshots of zones and destinations, for each minute of the last two hours and each hour of the week."""
    moments = [*range(end - 7 * DAY, end, HOUR), *range(end - 2 * HOUR, end, MINUTE)]
    for number, time in enumerate(moments):
        for cluster in CLUSTERS[:2]:
            for zone, domain, state in (
                ("default", None, "deferred"),
                (None, None, "queued"),
                (None, "large.example", "deferred"),
            ):
                yield {
                    "time": time,
                    "cluster": cluster,
                    "zone": zone,
                    "domain": domain,
                    "state": state,
                    "messages": 10 + number % 40,
                    "oldest": time - HOUR,
                }


def _logins(end: int) -> Iterator[Row]:
    for number in range(7 * 144):
        good = number % 3 == 0
        yield {
            "time": end - 7 * DAY + number * 10 * MINUTE,
            "cluster": CLUSTERS[number % 3],
            "event_id": f"wd:auth:{number}",
            "source": "change_stream",
            "protocol": ("imap", "smtp", "pop3")[number % 5 % 3],
            "result": "success" if good else ("failed", "unknown_user", "error")[number % 7 % 3],
            "source_ip": f"198.51.100.{number % 50}" if good else (None, "203.0.113.9")[number % 2],
            "count": 1 + number % 4,
            "received_at": end,
        }
