"""The text form of `trace`: a block for each message, and a line for each event, its reply and its reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from collector.store.lookups.traces import TracedEvent

INDENT: Final = " " * 41
ENDS: Final = frozenset({"delivered", "bounced", "dropped", "deleted", "refused", "released"})


def show(
    lives: Sequence[dict[str, Any]], newest: Sequence[TracedEvent], letters: Sequence[TracedEvent], limit: int
) -> None:
    """Print the lives of messages, or one line for each if there are several."""
    for life in lives:
        for line in life_of(life, limit):
            print(line)
    if len(newest) > 1:
        for line in list_of(newest, limit):
            print(line)
    for letter in letters:
        print(_clean(f"dead letter {letter['letter_id']}, received {_time(letter['received_at'])}: {letter['reason']}"))
        print(f"    show it with: duckwatch-collector dead-letters show {_clean(letter['letter_id'])}")


def list_of(newest: Sequence[TracedEvent], limit: int) -> Iterable[str]:
    """Yield one line for each message: the newest event that was found."""
    yield f"{len(newest)} messages, the newest first:"
    for row in newest:
        name = row["queue_id"] or "(no queue id)"
        why = f" ({row['reason']})" if row["reason"] else ""
        to = f" to {row['recipient']}" if row["recipient"] else ""
        yield _clean(f"  {_time(row['time'])}  {name}  {row['action']}{why}{to}  from {row['sender'] or '<>'}")
    if len(newest) >= limit:
        yield f"  there may be more: --limit {limit * 10}"
    yield "to see one of them, type the same command with its queue id"


def life_of(life: dict[str, Any], limit: int) -> Iterable[str]:
    """Yield the lines of one message."""
    events: Sequence[TracedEvent] = life["events"]
    yield _clean(f"message {life['queue_id'] or '(no queue id)'} in cluster {life['cluster']}")
    for title, names in (("Message-ID", ("message_id",)), ("from", ("sender",)), ("user", ("auth_user",))):
        values = dict.fromkeys(row[name] for row in events for name in names if row[name])
        if values:
            yield _clean(f"  {title:<11} {next(iter(values))}")
    if life["is_cut"]:
        yield f"  only the newest {limit} events: --limit {limit * 10} shows more"
    for row in sorted([*events, *life["notes"]], key=lambda row: row["time"]):
        yield from _event(row)
    for row in life["held"]:
        yield from _event({**dict.fromkeys(_SHOWN), **row, "action": f"({row['action']})"})
        yield f"{INDENT}reported by {row['source']}; waits until the plugin has had time to report it"
    yield from _state(life)
    for report in life["reports"]:
        yield ""
        yield _clean(f"  its delivery report (DSN) is message {report['queue_id']}:")
        for row in report["events"]:
            yield from _event(row)


def _state(life: dict[str, Any]) -> Iterable[str]:
    """Yield one line: the recipients' newest events, counted by action."""
    newest: dict[str, str] = {row["seq"]: row["action"] for row in life["events"] if row["seq"] and _tells_state(row)}
    if newest:
        counts = {action: list(newest.values()).count(action) for action in sorted(set(newest.values()))}
        said = ", ".join(f"{action} {count}" for action, count in counts.items())
        yield f"  now: {said} (of {len(newest)} recipients that are shown)"


def _tells_state(row: TracedEvent) -> bool:
    return row["action"] in ENDS or row["action"] == "deferred"


_SHOWN: Final = (
    "recipients", "recipient", "seq", "attempt", "mx_host", "mx_ip", "provider",
    "local_ip", "interface", "size_bytes", "next_attempt", "response", "reason", "bounce_kind",
    "provider_code", "drop_reason", "bounce_id", "host", "zone", "category",
)  # fmt: skip


def _event(row: TracedEvent) -> Iterable[str]:
    yield _clean(f"  {_time(row['time'])}  {row['action']:<13}  {', '.join(_facts(row))}").rstrip()
    if row["response"]:
        yield INDENT + _clean(row["response"])
    if row["reason"]:
        more = [row[name] for name in ("bounce_kind", "provider_code") if row[name]]
        yield INDENT + _clean(f"reason: {row['reason']}" + (f" ({', '.join(more)})" if more else ""))
    if row["drop_reason"]:
        yield INDENT + _clean(f"reason: {row['drop_reason']}")


def _facts(row: TracedEvent) -> Iterable[str]:
    if row["recipient"]:
        yield f"to {row['recipient']}" + (f" ({row['seq']})" if row["seq"] else "")
    elif row["recipients"] is not None:
        yield f"{row['recipients']} recipient{'s' if row['recipients'] != 1 else ''}"
    if row["attempt"]:
        yield f"attempt {row['attempt']}"
    if row["mx_host"]:
        ip = f" [{row['mx_ip']}]" if row["mx_ip"] else ""
        yield f"MX {row['mx_host']}{ip} ({row['provider'] or 'unknown provider'})"
    for name, word in (("local_ip", "from IP"), ("zone", "zone"), ("interface", "interface"), ("host", "host")):
        if row[name]:
            yield f"{word} {row[name]}"
    if row["size_bytes"] and row["action"] == "queued":
        yield f"{row['size_bytes']:,} bytes"
    if row["action"] in ("complained", "stored") and row["category"]:
        yield f"as {row['category']}"
    if row["next_attempt"]:
        yield f"next attempt {_time(row['next_attempt'])}"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"


def _clean(text: str) -> str:
    """Return the text on one line, without control characters: they must not reach a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
