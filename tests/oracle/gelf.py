"""The GELF message that zonemta-wildduck sends for a log entry, written from its source (1.32) and not from our
reader of it.
"""

from __future__ import annotations

from typing import Any

WORDS = {
    "QUEUED": "queued",
    "ACCEPTED": "accepted",
    "DEFERRED": "deferred",
    "REJECTED": "bounced",
    "NOQUEUE": "dropped",
    "DELETED": "dropped",
    "DROP": "dropped",
    "QUEUE_BOUNCE": "queue_bounce",
}
OF_EVERY_ENTRY = {
    "rwRcptFrom": "_rewrite_rcpt_from",
    "rwHeaderFrom": "_rewrite_header_from",
    "protocol": "_delivery_protocol",
    "httpUrl": "_http_url",
    "httpResponse": "_http_response",
    "tlsVersion": "_tls_version",
    "tlsCipher": "_tls_cipher",
    "tlsAuthorizationError": "_tls_authorization_error",
    "headerFrom": "_header_from_value",
    "id": "_queue_id",
    "seq": "_queue_id_seq",
}
OF_A_MESSAGE = {
    "from": "_from",
    "to": "_to",
    "message-id": "_message_id",
    "src": "_ip",
    "body": "_body_size",
    "score": "_spam_score",
    "interface": "_interface",
    "transtype": "_proto",
}
OF_AN_ATTEMPT = {
    "from": "_from",
    "to": "_to",
    "messageId": "_message_id",
    "zone": "_zone",
    "mx": "_mx",
    "host": "_mx_host",
    "ip": "_local_ip",
    "response": "_response",
}
OF_A_FAILURE = OF_AN_ATTEMPT | {"category": "_bounce_category", "defcount": "_bounce_count"}
FIELDS = {
    "QUEUED": OF_A_MESSAGE | {"subject": "_subject", "user": "_authenticated_sender"},
    "ACCEPTED": OF_AN_ATTEMPT,
    "DEFERRED": OF_A_FAILURE,
    "REJECTED": OF_A_FAILURE,
    "NOQUEUE": OF_A_MESSAGE | {"user": "_user", "responseText": "_response"},
    "DELETED": {"from": "_from", "to": "_to", "reason": "_response"},
    "DROP": {
        "from": "_from",
        "to": "_to",
        "reason": "_response",
        "description": "_description",
        "message-id": "_message_id",
        "user": "_user",
        "score": "_spam_score",
        "tests": "_spam_tests",
    },
    "QUEUE_BOUNCE": {
        "queued": "_queue_bounce_queued",
        "bounceType": "_queue_bounce_type",
        "bounceId": "_queue_bounce_id",
        "error": "_error",
    },
}


def mail_message(entry: dict[str, Any], time_ms: int, host: str = "mta1") -> dict[str, Any] | None:
    """Return the message of an entry, or None if none is sent for it. Empty, zero and false fields are left out."""
    action = entry["action"]
    if action not in WORDS:
        return None
    names = OF_EVERY_ENTRY | FIELDS[action]
    message = {names[key]: value for key, value in entry.items() if key in names}
    if action in ("QUEUED", "NOQUEUE") and "score" in entry:
        message["_spam_score"] = float(entry["score"])
    for key, name in (("secure", "_secure"), ("tls", "_tls"), ("tlsAuthorized", "_tls_authorized")):
        if key in entry:
            message[name] = "yes" if entry[key] else "no"
    tagged = (
        entry.get("bounceType") if action == "QUEUE_BOUNCE" else ".".join(filter(None, map(entry.get, ("id", "seq"))))
    )
    message |= {
        "short_message": f"MTA [{action}] {tagged}",
        "_mail_action": WORDS[action],
        "facility": "mta",
        "host": host,
        "timestamp": time_ms / 1000,
        "_component": "mta",
        "version": "1.0",
    }
    return {key: value for key, value in message.items() if value}
