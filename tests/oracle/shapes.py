"""The shapes of ZoneMTA's log entries: the table's action for each of ZoneMTA's, and the column of each field."""

from __future__ import annotations

from dataclasses import dataclass

# Keys from which columns are computed. `rows.py` has a rule for each.
SENDING = ("from", "returnPath", "to", "mx", "host", "ip", "response", "timer", "tls", "tlsVersion", "tlsAuthorized")

# Keys of a session, from a sender process, that have no column.
SESSION_REST = ("start", "secure", "tlsCipher", "tlsAuthorizationError", "protocol", "httpUrl", "httpResponse")

# Keys of a message, from a receiver process, that have no column. The subject is not one of them: it is never stored.
MESSAGE_REST = ("src", "md5", "tests", "originhost", "transhost", "transtype", "headerFrom")


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape of entry.

    `copied` maps columns to the keys whose value they take. `computed` are keys with a rule of their own. `rest` are
    keys that stay in `raw`. An entry with a further key has a shape that nobody has reviewed.
    """

    action: str
    copied: dict[str, str]
    computed: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()


MESSAGE = {"queue_id": "id", "message_id": "message-id", "interface": "interface", "size_bytes": "body"}
ATTEMPT = {
    "queue_id": "id",
    "seq": "seq",
    "zone": "zone",
    "message_id": "messageId",
    "size_bytes": "size",
    "fbl_id": "fbl",
    "attempt": "defcount",
}

SHAPES: dict[str, Shape] = {
    "QUEUED": Shape("queued", MESSAGE | {"auth_user": "user", "fbl_id": "fbl"}, ("from", "to", "score"), MESSAGE_REST),
    "ACCEPTED": Shape("delivered", ATTEMPT, SENDING, SESSION_REST),
    "DEFERRED": Shape(
        "deferred",
        ATTEMPT | {"category": "category", "next_attempt": "nextattempt"},
        SENDING,
        SESSION_REST,
    ),
    "REJECTED": Shape("bounced", ATTEMPT | {"category": "category"}, SENDING, SESSION_REST),
    "QUEUE_BOUNCE": Shape(
        "dsn_queued", {"queue_id": "id", "seq": "seq"}, (), ("queued", "bounceType", "bounceId", "error")
    ),
    "SPAMCHECK": Shape("spam_checked", {"queue_id": "id"}, ("score",), ("result", "tests")),
    "VIRUSCHECK": Shape("virus_checked", {"queue_id": "id"}, ("response",), ("result",)),
    "DELETED": Shape("deleted", {"queue_id": "id", "seq": "seq", "drop_reason": "reason"}),
    "NOQUEUE": Shape(
        "refused",
        MESSAGE | {"auth_user": "user", "drop_reason": "description"},
        # An entry has `error` in place of a description if ZoneMTA itself could not queue the message (seen: "Server
        # shutdown in progress").
        ("from", "to", "score", "responseText", "error"),
        MESSAGE_REST,
    ),
    # DROP has two shapes: one of a plugin, like NOQUEUE, and one of the suppression list.
    "DROP by a plugin": Shape(
        "dropped",
        MESSAGE | {"auth_user": "user", "drop_reason": "description"},
        ("from", "to", "score", "responseText"),
        MESSAGE_REST,
    ),
    "DROP by the suppression list": Shape(
        "dropped",
        {"queue_id": "id", "seq": "seq", "drop_reason": "reason"},
        ("recipient",),
        ("suppressed address", "suppressed domain"),
    ),
}


def shape_name(entry: dict[str, object]) -> str:
    """Return the key of `SHAPES` for an entry."""
    if entry["action"] == "DROP":
        return "DROP by the suppression list" if "recipient" in entry else "DROP by a plugin"
    return str(entry["action"])
