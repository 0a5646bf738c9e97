"""Values that a mail sender, a broken plugin or an attacker can put into a field. Equal dice give equal values."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from tests.oracle.recording import read_recording

if TYPE_CHECKING:
    from random import Random

CANARY = "canary4417"
"""A text for subjects and credentials only. It must be in no row, dead letter, answer or log line."""

NUMBERS: list[Any] = [
    *(
        0,
        -1,
        1,
        599,
        2**31 - 1,
        2**31,
        -(2**31) - 1,
        2**53 + 1,
        2**63 - 1,
        2**63,
        -(2**63),
        -(2**63) - 1,
        2**64,
        10**30,
        10**400,
    ),
    *(-0.0, 0.1, 1e-320, 1e308, -1e308, 1e15 + 0.5, float("inf"), float("-inf"), float("nan")),
]

TEXTS = [
    *("", " ", "\0", "a\0b", "\ud800", "\udfff\ud800x", "\U0001f986", "\u202e\u2066txt", "\ufeff", "\u2028\u2029",
        "\x7f\x1b[2J", "\ufffe\uffff"),
    *("\\N", "\\.", "\\", "\\x00", "\t", "\r\n", "a\tb\nc\rd\\e", "null", "NaN", "true", "[]", "{}", '"', "'", "--",
        "/*"),
    *("'; DROP TABLE mail_events; --", "<script>alert(1)</script>", "%s%n%d", "{0}{zone}", "${x}", "{{7*7}}",
        "../../etc/passwd", "=cmd|' /C x'!A0"),
    *("@", "a@", "@b", "a@b@c", "<a@b.example>", "a@[192.0.2.1]", "a@xn--zzzzzz", "ä@münchen.example",
        "a@" + "b." * 130, "a@" + "x" * 64 + ".example"),
    *("::1", "::ffff:192.0.2.1", "fe80::1%eth0", "[::1]", "999.999.9.9", "0x7f.1", "192.0.2.1:25", "192.0.2.0/24",
        "2001:db8::" + "0:" * 40),
    *("550", "550 ", "5", "999 9.9.9", "550-5.1.1 a\r\n550 5.1.1 b", "421 4.7.28 [192.0.2.1] rate", "550 5.7.1 S3150",
        "250 2.0.0 Ok: queued as " + "A" * 80),
    *("1970-01-01T00:00:00Z", "2026-13-45T99:99:99Z", "9999-12-31T23:59:59.999999+00:00", "0001-01-01T00:00:00+23:59",
        "١٢٣٤", "1e5", "0x10", "१२"),
]  # fmt: skip

PIECES = [
    *("x", "<", "(", "[", "{", "a.", "1.", "::", "@", "a@b.", "5.7.1 ", "=?", "\\", "%", "\0", "\ud800", "é",
        "\U0001f986", "\u0301", " ", "\t", "-1", "id=<", "https://a/"),
    *("a@b, ", "a%40b ", "a@ü ", '"a"@b '),
]  # fmt: skip
"""Texts to repeat: they are slow to match for a regular expression that backtracks."""

KEYS = [
    *("", "\0", "\ud800", "id", "seq", "action", "time", "created", "to", "from", "response", "size", "body",
        "defcount", "__proto__", "raw", "event_id"),
    *("Subject", "SUBJECT", "subject\0", "a\tb", "'", "\\", "x" * 300, "\U0001f986"),
]  # fmt: skip

FIELDS = [
    *("id", "seq", "zone", "to", "from", "returnPath", "recipient", "mx", "host", "ip", "response", "responseText",
        "error", "category", "message-id", "messageId"),
    *("interface", "user", "fbl", "score", "size", "body", "timer", "defcount", "nextattempt", "created", "tls",
        "tlsVersion", "tlsAuthorized", "reason", "description"),
]  # fmt: skip

ACTIONS = [
    *("QUEUED", "ACCEPTED", "DEFERRED", "REJECTED", "NOQUEUE", "DELETED", "DROP", "QUEUE_BOUNCE", "SPAMCHECK",
        "VIRUSCHECK", "QUEUE_POLL"),
    *("queued", "Queued\0", "x" * 2000, "\U0001f986", " "),
]  # fmt: skip

RECORDED = [{key: value for key, value in record["entry"].items() if key != "subject"} for record in read_recording()]
"""Log entries as ZoneMTA writes them, without subjects. `entry` starts from one of them."""

DAY_MS = 86_400_000


def text(dice: Random) -> str:
    """Return a string. Most are short, some are long."""
    kind = dice.random()
    if kind < 0.6:
        return dice.choice(TEXTS)
    if kind < 0.9:
        return "".join(
            chr(dice.choice((dice.randrange(0x80), dice.randrange(0x3000), dice.randrange(0x110000))))
            for _ in range(dice.randrange(12))
        )
    return (dice.choice(PIECES) + dice.choice(("", dice.choice(PIECES)))) * dice.choice(
        (10, 100, 1100, 1100, 20_000 if dice.random() < 0.1 else 50)
    ) + dice.choice(("", "!"))


def value(dice: Random, depth: int = 0) -> Any:
    """Return any value that `json.dumps` writes, NaN and infinities included."""
    kind = dice.random()
    if kind < 0.5:
        return text(dice)
    if kind < 0.75:
        return dice.choice(NUMBERS)
    if kind < 0.85:
        return dice.choice((None, True, False))
    if depth > 2:
        return json.loads("[" * 40 + "]" * 40) if dice.random() < 0.2 else []
    if kind < 0.93:
        return [value(dice, depth + 1) for _ in range(dice.randrange(4))]
    return {dice.choice(KEYS): value(dice, depth + 1) for _ in range(dice.randrange(4))}


def entry(dice: Random) -> dict[str, Any]:
    """Return a log entry of ZoneMTA in which some fields may be wrong."""
    made = copy.copy(dice.choice(RECORDED))
    made["id"] = f"h{dice.getrandbits(64):x}"
    for _ in range(dice.randrange(4)):
        made[dice.choice(FIELDS)] = value(dice)
    if dice.random() < 0.1:
        made[dice.choice(KEYS)] = value(dice)
    if dice.random() < 0.1:
        made["action"] = dice.choice(ACTIONS)
    if dice.random() < 0.05:
        made.pop(dice.choice(list(made)))
    if dice.random() < 0.2:
        made[dice.choice(("subject", "Subject", "SUBJECT"))] = CANARY
    if dice.random() < 0.05:
        made["headers"] = {"deep": [{"sUbJeCt": CANARY}]}
    return made


def stamp(dice: Random, now_ms: int) -> Any:
    """Return a time: mostly within the last minute, else days away or any value."""
    kind = dice.random()
    if kind < 0.9:
        return now_ms - dice.randrange(60_000)
    if kind < 0.95:
        return now_ms + dice.choice((-40, -29, -3, -1, 1)) * DAY_MS
    return value(dice)


def event(dice: Random, now_ms: int) -> Any:
    """Return an event: a log entry with time and context, a bare log entry, or any value."""
    kind = dice.random()
    if kind < 0.03:
        return value(dice)
    if kind < 0.1:
        return entry(dice) | {"created": stamp(dice, now_ms)}
    made: dict[str, Any] = {"time": stamp(dice, now_ms), "context": "sender", "entry": entry(dice)}
    if dice.random() < 0.1:
        made[dice.choice(("context", "host", "cluster", "time", "entry"))] = value(dice)
    return made


def report(dice: Random) -> dict[str, Any]:
    """Return a heartbeat of the plugin in which some fields may be wrong."""
    made: dict[str, Any] = {"version": "0.1.0", "process": "p1", "spool_bytes": 0, "oldest_unsent": None, "dropped": 0}
    for _ in range(dice.randrange(3)):
        made[dice.choice(list(made))] = value(dice)
    return made
