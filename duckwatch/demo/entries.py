"""The shapes of ZoneMTA's log entries, key for key and in its order, as the demo's mail fills them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from duckwatch.demo.cast import Host, Receiver, Sender

Entry = dict[str, Any]

REPLY_CHARACTERS = 312
"""ZoneMTA cuts a reply there."""


class Event(NamedTuple):
    """One log entry with its stamp (epoch ms), the process that logged it, and where that runs."""

    time: int
    host: Host
    context: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Message:
    """A message as the receiver took it and the spam scanner scored it."""

    id: str
    message_id: str
    host: Host
    sender: Sender
    mailbox: str
    return_path: str
    to: tuple[str, ...]
    body_bytes: int
    md5: str
    tests: str
    score: str

    @property
    def address(self) -> str:
        """The author's address."""
        return f"{self.mailbox}@{self.sender.domain}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt for one recipient, as the sender process logs it; `timer` in ms, None when no session came about."""

    id: str
    seq: str
    message_id: str
    zone: str
    return_path: str
    to: str
    receiver: Receiver
    mx: str
    address: str
    local_ip: str
    size: int
    timer: int | None
    response: str


def received(message: Message, action: str, subject: str) -> Entry:
    """QUEUED, NOQUEUE or a plugin's DROP of a message that came in."""
    entry: Entry = {
        "id": message.id,
        "action": action,
        "message-id": message.message_id,
        "from": message.return_path,
        "to": ",".join(message.to),
        "src": "198.51.100.200" if message.sender.authenticated else "198.51.100.100",
        "subject": subject,
        "body": message.body_bytes,
        "md5": message.md5,
        "tests": message.tests,
        "score": message.score,
        "interface": message.sender.interface,
        "originhost": f"app1.{message.sender.domain}",
        "transhost": f"app1.{message.sender.domain}",
        "transtype": "ESMTPSA" if message.sender.authenticated else "ESMTP",
    }
    if message.sender.authenticated:
        entry["user"] = message.address
    return entry | {"headerFrom": f"{message.mailbox.title()} <{message.address}>"}


def turned_away(message: Message, subject: str, action: str, description: str, text: str) -> Entry:
    """NOQUEUE, or a plugin's DROP: what was received, with why, before any scanner and without the author's header."""
    entry = received(message, action, subject)
    for key in ("tests", "score", "headerFrom"):
        entry.pop(key)
    connection = {key: entry.pop(key) for key in ("interface", "originhost", "transhost", "transtype")}
    return entry | {"description": description, "responseText": text} | connection


def checked(message: Message) -> list[Entry]:
    """Return the entries of the virus and the spam scanner."""
    result = "add header" if float(message.score) >= 6 else "no action"
    return [
        {"id": message.id, "action": "VIRUSCHECK", "result": "clean"},
        {"id": message.id, "action": "SPAMCHECK", "score": message.score, "result": result, "tests": message.tests},
    ]


def dsn_queued(queue_id: str, message_id: str, to: str, subject: str, host: str) -> Entry:
    """QUEUED of a delivery status notification: from nobody, written by the master."""
    return {
        "id": queue_id,
        "action": "QUEUED",
        "message-id": message_id,
        "from": "<>",
        "to": to,
        "subject": subject,
        "body": 1_860,
        "md5": "3ed8815ea9b7",
        "interface": "bounce",
        "transtype": "HTTP",
        "headerFrom": f"Mail Delivery Subsystem <mailer-daemon@{host}>",
    }


def queue_bounce(queue_id: str, seq: str, kind: str, bounce_id: str) -> Entry:
    """QUEUE_BOUNCE: a notification of `kind` (`failure`, `delayed`) about this delivery was queued."""
    return {
        "id": queue_id,
        "seq": seq,
        "action": "QUEUE_BOUNCE",
        "queued": "yes",
        "bounceType": kind,
        "bounceId": bounce_id,
    }


def suppressed(queue_id: str, seq: str, recipient: str) -> Entry:
    """DROP by the suppression list; the key with a space is ZoneMTA's."""
    return {
        "id": queue_id,
        "seq": seq,
        "action": "DROP",
        "reason": "Recipient was found from suppression list",
        "recipient": recipient,
        "suppressed address": recipient,
    }


def deleted(queue_id: str, seq: str) -> Entry:
    """Return a DELETED entry: someone took the message out of the queue."""
    return {"id": queue_id, "seq": seq, "action": "DELETED", "reason": "Deletion requested from API"}


def attempted(attempt: Attempt, action: str, why: Entry) -> Entry:
    """Return an ACCEPTED, DEFERRED or REJECTED entry; `why` holds category, count and next attempt.
    (ZoneMTA's plugin adds the count to the ends.)
    Without a session (`timer` None) ZoneMTA knows no addresses and sizes, and `mx` is the recipient's domain.
    """
    connected = attempt.timer is not None
    entry: Entry = {"id": attempt.id, "seq": attempt.seq, "action": action, **why, "zone": attempt.zone}
    entry |= {"from": attempt.return_path, "returnPath": attempt.return_path, "to": attempt.to}
    entry["mx"] = attempt.mx if connected else attempt.receiver.domain
    if connected:
        entry |= {"host": attempt.address, "ip": attempt.local_ip}
    entry["response"] = attempt.response[:REPLY_CHARACTERS]
    if attempt.timer is not None:
        entry |= {"size": attempt.size, "timer": attempt.timer, "start": attempt.timer // 2}
    entry["messageId"] = attempt.message_id
    return entry | _tls(attempt.receiver.tls if connected else None) | {"protocol": "smtp"}


def _tls(version: str | None) -> Entry:
    if version is None:
        return {"secure": False, "tls": False, "tlsVersion": False, "tlsAuthorized": False}
    cipher = "TLS_AES_256_GCM_SHA384" if version == "TLSv1.3" else "ECDHE-RSA-AES256-GCM-SHA384"
    return {"secure": True, "tls": True, "tlsVersion": version, "tlsCipher": cipher, "tlsAuthorized": True}
