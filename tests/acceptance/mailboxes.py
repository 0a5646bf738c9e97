"""What people do with a WildDuck: they get mail, log in, and mark mail as spam."""

from __future__ import annotations

import contextlib
import imaplib
import poplib
import smtplib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.servers.wildduck import WildDuck

PASSWORD = "correct horse"
ALICE, BOB = "alice@wild.example", "bob@wild.example"


def users_of(wildduck: WildDuck) -> tuple[str, str]:
    """Create two users and return their ids. WildDuck files all mail for the second user as spam."""
    about = {ALICE: {}, BOB: {"spamLevel": 0}}
    made = [
        wildduck.api(
            "POST", "/users", {"username": name.split("@")[0], "password": PASSWORD, "address": name} | more
        )
        for name, more in about.items()
    ]  # fmt: skip
    return made[0]["id"], made[1]["id"]


def deliver(wildduck: WildDuck) -> None:
    """Deliver by LMTP: one message to both users, another to the first user."""
    for number, recipient in ((1, ALICE), (1, BOB), (2, ALICE)):
        text = (
            f"From: orders@shop.example\r\nMessage-ID: <{number}@shop.example>\r\nSubject: order\r\n\r\nthank you\r\n"
        )
        with smtplib.LMTP("127.0.0.1", wildduck.lmtp_port) as session:
            session.sendmail("orders@shop.example", recipient, text)


def log_in(wildduck: WildDuck) -> None:
    """Log in by IMAP (two failures, one success, one unknown user) and by POP3 (one failure, one success)."""
    for name, password in (("alice", "wrong"), ("alice", "wrong"), ("alice", PASSWORD), ("nobody", PASSWORD)):
        session = imaplib.IMAP4("127.0.0.1", wildduck.imap_port)
        with contextlib.suppress(imaplib.IMAP4.error):
            session.login(name, password)
        session.logout()
    for password in ("wrong", PASSWORD):
        box = poplib.POP3("127.0.0.1", wildduck.pop3_port)
        box.user("alice")
        with contextlib.suppress(poplib.error_proto):
            box.pass_(password)
        box.quit()


def mark_as_spam(wildduck: WildDuck, user: str) -> None:
    """Move the newest message of the inbox to Junk."""
    boxes = {box["path"]: box["id"] for box in wildduck.api("GET", f"/users/{user}/mailboxes")["results"]}
    inbox = f"/users/{user}/mailboxes/{boxes['INBOX']}/messages"
    newest = wildduck.api("GET", inbox)["results"][0]["id"]
    wildduck.api("PUT", f"{inbox}/{newest}", {"moveTo": boxes["Junk"]})
