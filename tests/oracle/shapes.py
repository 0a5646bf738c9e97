"""The shapes of ZoneMTA's log entries: for each action its word in the table, and where each of its fields goes."""

from __future__ import annotations

from dataclasses import dataclass

# Keys that columns are computed from, with their own rule each in `rows.py`.
SENDING = ("from", "returnPath", "to", "mx", "host", "ip", "response", "timer", "tls", "tlsVersion", "tlsAuthorized")

# What a sender process says of a session and no column holds.
SESSION_REST = ("start", "secure", "tlsCipher", "tlsAuthorizationError", "protocol", "httpUrl", "httpResponse")

# What a receiver process says of a message and no column holds. The subject is in neither: it is never stored.
MESSAGE_REST = ("src", "md5", "tests", "originhost", "transhost", "transtype", "headerFrom")


@dataclass(frozen=True, slots=True)
class Shape:
    """`copied`: column <- key, the value as it is. `computed`: keys with a rule of their own. `rest`:
    keys that stay in `raw`. A key in none of the three is a shape that nobody has reviewed.
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
        # `error` in place of a description: ZoneMTA itself could not queue it (seen: "Server shutdown in progress").
        ("from", "to", "score", "responseText", "error"),
        MESSAGE_REST,
    ),
    # DROP has two shapes: a plugin's (like NOQUEUE) and the suppression list's.
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
    """The key of `SHAPES` for an entry."""
    if entry["action"] == "DROP":
        return "DROP by the suppression list" if "recipient" in entry else "DROP by a plugin"
    return str(entry["action"])
