"""What one recorded entry must be in `mail_events`: every column, by docs/events.md, slowly and plainly.

Nothing here is shared with `collector/events` but the names of the columns.
An entry of a shape or with a reply that nobody has reviewed raises.
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

# The MX hosts of the recording end in `.example`: none is a known provider's.
KNOWN_PROVIDERS_MX = ("google.com", "googlemail.com", "outlook.com", "yahoodns.net", "icloud.com")


class UnknownShapeError(LookupError):
    """A field, or a type of a field, that nobody has reviewed."""


def expected_row(
    record: Record, *, shift_ms: int = 0, cluster: str, host: str | None, received_at: int | None
) -> dict[str, Any]:
    """The row of one `{time_ms, pid, context, entry}` of the recorder, moved by `shift_ms`;
    times are epoch ms, `raw` JSON text.
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
    held = {"action", "subject"}  # keys that leave `raw`
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
    """`<queue id>[.<seq>]:<action>[:<attempt or bounce type>]`."""
    name = entry["id"] + ("." + entry["seq"] if "seq" in entry else "") + ":" + shape.action
    if shape.action == "deferred":
        name += ":" + str(entry["defcount"])  # of no other action, though the plugin adds it to the ends
    if shape.action == "dsn_queued":
        name += ":" + entry["bounceType"]
    return str(name)


def queue_ms(time_ms: int, queue_id: str) -> int | None:
    age = time_ms - int(queue_id[:11], 16)
    if 0 <= age <= SIXTY_DAYS:
        return age
    return 0 if -ONE_MINUTE <= age < 0 else None


def fill_sender(row: dict[str, Any], entry: dict[str, Any]) -> set[str]:
    """`from` and `returnPath`: `""` and `<>` are the null sender, which is no address."""
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
    """With a seq an entry speaks for one recipient, without for all in `to`;
    several addresses are no recipient of their own.
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
    """The MX with its provider, the remote and the local address:
    all of the recording are in their plain form already.
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
    """The reply and all that is read out of it, from the table of reviewed replies."""
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
    """`timer` and `tlsVersion` may be false, which is no value of their columns;
    without TLS nothing was authorized or not.
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
    """ZoneMTA writes the score as text."""
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
