"""The expected row of a recorded entry in `mail_events`: every column, by docs/events.md.

Only the names of the columns come from `collector/events`. An entry with a shape or a reply that nobody has reviewed is
an error.
"""

from __future__ import annotations

import json
from typing import Any

from collector.events.model.event import COLUMNS
from tests.oracle.replies import reviewed_reply
from tests.oracle.shapes import SHAPES, Shape, shape_name
from tests.oracle.stamps import Record, shift_record

SIXTY_DAYS = 60 * 24 * 3600 * 1000
ONE_MINUTE = 60 * 1000

# The MX hosts of the recording end in `.example`, so none of them belongs to a known provider.
KNOWN_PROVIDERS_MX = ("google.com", "googlemail.com", "outlook.com", "yahoodns.net", "icloud.com")


class UnknownShapeError(LookupError):
    """Raised for a field, or a type of a field, that nobody has reviewed."""


def expected_row(
    record: Record, *, shift_ms: int = 0, cluster: str, host: str | None, received_at: int | None
) -> dict[str, Any]:
    """Return the row of a record `{time_ms, pid, context, entry}`, moved by `shift_ms`.

    Times are epoch ms, and `raw` is JSON text.
    """
    moved = shift_record(record, shift_ms)
    entry: dict[str, Any] = moved["entry"]
    shape = SHAPES[shape_name(entry)]
    for key in entry:
        if key not in ("action", "subject", "created", *shape.copied.values(), *shape.computed, *shape.rest):
            raise UnknownShapeError(f"{entry['action']} with {key!r}")

    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row["time"] = moved["time_ms"]
    row["cluster"] = cluster
    row["host"] = host
    row["action"] = shape.action
    row["source"] = "plugin"
    row["received_at"] = received_at
    held = {"action", "subject"}  # keys that are not in `raw`
    for column, key in shape.copied.items():
        if key in entry:
            row[column] = entry[key]
            held.add(key)
    row["event_id"] = event_id(entry, shape)
    row["queue_ms"] = queue_ms(moved["time_ms"], entry["id"])
    row["direction"] = "dsn" if entry.get("from") in ("", "<>") else "outbound"
    held |= fill_sender(row, entry)
    held |= fill_recipients(row, entry)
    held |= fill_hosts(row, entry)
    held |= fill_reply(row, entry, shape)
    held |= fill_session(row, entry)
    held |= fill_score(row, entry)
    if "error" in shape.computed and "error" in entry:
        row["drop_reason"] = entry["error"]
        held.add("error")
    rest = {key: value for key, value in entry.items() if key not in held}
    row["raw"] = json.dumps(rest, separators=(",", ":"), ensure_ascii=False) if rest else None
    return row


def event_id(entry: dict[str, Any], shape: Shape) -> str:
    """Return `<queue id>[.<seq>]:<action>[:<attempt or bounce type>]`."""
    name = entry["id"] + ("." + entry["seq"] if "seq" in entry else "") + ":" + shape.action
    if shape.action == "deferred":
        # No other action has it, although the plugin adds `defcount` to accepted and rejected deliveries too.
        name += ":" + str(entry["defcount"])
    if shape.action == "dsn_queued":
        name += ":" + entry["bounceType"]
    return str(name)


def queue_ms(time_ms: int, queue_id: str) -> int | None:
    age = time_ms - int(queue_id[:11], 16)
    if 0 <= age <= SIXTY_DAYS:
        return age
    return 0 if -ONE_MINUTE <= age < 0 else None


def fill_sender(row: dict[str, Any], entry: dict[str, Any]) -> set[str]:
    """Fill the columns of `from` and `returnPath`. `""` and `<>` are the null sender, which is no address."""
    held = set()
    if "from" in entry:
        held.add("from")
        if entry["from"] not in ("", "<>"):
            row["sender"] = bare(entry["from"])
            row["sender_domain"] = domain(entry["from"])
    if "returnPath" in entry:
        held.add("returnPath")
        if entry["returnPath"] not in ("", "<>"):
            row["return_path"] = bare(entry["returnPath"])
    return held


def fill_recipients(row: dict[str, Any], entry: dict[str, Any]) -> set[str]:
    """Fill the columns of the recipients.

    An entry with a seq is about one recipient, another entry about all in `to`. Several addresses fill no `recipient`.
    """
    key = "to" if "to" in entry else "recipient"
    if '"' in entry.get(key, ""):
        raise UnknownShapeError(f"a quoted local part in {key!r}")
    addresses = entry[key].split(",") if key in entry else []
    if "seq" in entry:
        row["recipients"] = 1
    elif "to" in entry:
        row["recipients"] = len(addresses)
    if len(addresses) != 1:
        return set()
    row["recipient"] = bare(addresses[0])
    row["recipient_domain"] = domain(addresses[0])
    return {key}


def fill_hosts(row: dict[str, Any], entry: dict[str, Any]) -> set[str]:
    """Fill the MX with its provider, and the remote and the local address. The recording has them in their one
    spelling.
    """
    held = set()
    if "mx" in entry:
        mx: str = entry["mx"]
        if mx != mx.lower() or mx.endswith(".") or mx.endswith(KNOWN_PROVIDERS_MX):
            raise UnknownShapeError(f"the MX {mx!r}")
        row["mx_host"] = mx
        row["provider"] = "other"
        held.add("mx")
    for column, key in (("mx_ip", "host"), ("local_ip", "ip")):
        if key in entry:
            if [str(int(part)) for part in entry[key].split(".")] != entry[key].split("."):
                raise UnknownShapeError(f"the address {entry[key]!r}")
            row[column] = entry[key]
            held.add(key)
    return held


def fill_reply(row: dict[str, Any], entry: dict[str, Any], shape: Shape) -> set[str]:
    """Fill the reply, and the columns that the table of reviewed replies has for it."""
    key = "response" if "response" in entry else "responseText"
    if key not in entry:
        return set()
    reply = reviewed_reply(entry[key])
    row["response"] = entry[key]
    row["response_pattern"] = reply.pattern
    row["smtp_code"] = reply.smtp_code
    row["enhanced_code"] = reply.enhanced_code
    if shape.action in ("deferred", "bounced"):
        row["reason"] = reply.reason
        row["provider_code"] = reply.provider_code
    if shape.action == "bounced":
        row["bounce_kind"] = reply.bounce_kind
    return {key}


def fill_session(row: dict[str, Any], entry: dict[str, Any]) -> set[str]:
    """Fill the columns of the session.

    `timer` and `tlsVersion` may be false, which their columns do not store. `tls_authorized` is null without TLS.
    """
    held = set()
    if entry.get("timer", False) is not False:
        row["smtp_ms"] = entry["timer"]
        held.add("timer")
    if entry.get("tlsVersion", False) is not False:
        row["tls_version"] = entry["tlsVersion"]
        held.add("tlsVersion")
    if entry.get("tls") is True:
        row["tls_authorized"] = entry["tlsAuthorized"]
        held.add("tlsAuthorized")
    return held


def fill_score(row: dict[str, Any], entry: dict[str, Any]) -> set[str]:
    """Fill the score, which ZoneMTA writes as text."""
    if "score" not in entry:
        return set()
    row["spam_score"] = float(entry["score"])
    return {"score"}


def bare(address: str) -> str:
    return address.removeprefix("<").removesuffix(">")


def domain(address: str) -> str:
    name = bare(address).rsplit("@", 1)[1].lower().removesuffix(".")
    if not name.isascii():
        raise UnknownShapeError(f"the domain {name!r}")
    return name
