"""The log entries of the demo's mail, with ZoneMTA's keys in ZoneMTA's order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from duckwatch.demo.cast import Host, Receiver, Sender

Entry = dict[str, Any]

REPLY_CHARACTERS = 312
"""The length at which ZoneMTA cuts a reply."""


class Event(NamedTuple):
    """One log entry with its time (epoch ms), the process that logged it, and that process's host."""

    time: int
    host: Host
    context: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Message:
    """A message as ZoneMTA received it, with the spam scanner's score."""

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
    """One attempt for one recipient, as the sender process logs it. `timer` is in ms, None without an SMTP session."""

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
    """Return the entry of a received message: QUEUED, NOQUEUE, or a plugin's DROP."""
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
    """Return the NOQUEUE or DROP entry of a refused message, with the reason. No scanner has seen the message yet."""
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
    """Return the QUEUED entry of a DSN, which has an empty sender and is written by ZoneMTA's master."""
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
    """Return the QUEUE_BOUNCE entry: a DSN of `kind` (`failure`, `delayed`) about this delivery was queued."""
    return {
        "id": queue_id,
        "seq": seq,
        "action": "QUEUE_BOUNCE",
        "queued": "yes",
        "bounceType": kind,
        "bounceId": bounce_id,
    }


def suppressed(queue_id: str, seq: str, recipient: str) -> Entry:
    """Return the DROP entry of the suppression list. The key with a space is ZoneMTA's."""
    return {
        "id": queue_id,
        "seq": seq,
        "action": "DROP",
        "reason": "Recipient was found from suppression list",
        "recipient": recipient,
        "suppressed address": recipient,
    }


def deleted(queue_id: str, seq: str) -> Entry:
    """Return the DELETED entry: a user removed the message from the queue."""
    return {"id": queue_id, "seq": seq, "action": "DELETED", "reason": "Deletion requested from API"}


def attempted(attempt: Attempt, action: str, why: Entry) -> Entry:
    """Return an ACCEPTED, DEFERRED or REJECTED entry. `why` holds category, count and next attempt.

    ZoneMTA's plugin adds the count to the final entries.
    Without an SMTP session (`timer` None) ZoneMTA has no addresses and sizes, and `mx` is the recipient's domain.
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
