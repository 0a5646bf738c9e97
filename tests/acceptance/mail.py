"""Letters to send. The name of a recipient decides what the sinks answer. Everyday letters follow from a seed."""

from __future__ import annotations

import contextlib
import random
import smtplib
import ssl
import threading
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.zonemta import ZoneMTA

SENDERS = ("ops@app.example", "billing@shop.example", "news@news.example", "Alice.B@corp-a.example")
DOMAINS = (
    "gmail.example",
    "outlook.example",
    "yahoo.example",
    "corp.example",
    "icloud.example",
    "other.example",
    "lmtp.example",
)
# `every_fate` uses each name with two domains. sinks.js defines the answer to each name.
FATES = ("grey", "grey3", "slow", "unknown", "spamhaus", "full", "busy", "relay", "rate", "dspam", "dtemp", "multi")
NETWORK = ("hang.example", "drop.example", "refused.example", "nodns.example")
MARKED = ("DROPME please", "REJECTME please", "VIAGRA now", "an OFFER", "EICAR inside")


@dataclass(frozen=True, slots=True)
class Letter:
    """One message. With `user`, it is submitted with this login over STARTTLS, else without a login."""

    sender: str
    recipients: tuple[str, ...]
    subject: str
    user: str | None = None

    def content(self, number: int) -> bytes:
        """Return the message as bytes. `number` makes its Message-ID unique."""
        lines = [
            f"From: {self.sender}",
            f"To: {', '.join(self.recipients)}",
            f"Subject: {self.subject}",
            f"Message-ID: <{number}.{zlib.crc32(repr(self).encode())}@app.example>",
            *(["X-FBL: campaign-42"] if self.sender.startswith("news@") else []),
            "",
            f"Hello, this is about {self.subject}.",
            "x" * (number % 60 * 40),
        ]
        return "\r\n".join(lines).encode()


def every_fate() -> Iterator[Letter]:
    """Yield letters for each entry of `FATES`, `NETWORK` and `MARKED`, and letters for HTTP upload and LMTP."""
    for fate in FATES:
        yield Letter("ops@app.example", (f"{fate}.a@gmail.example",), f"to {fate}")
        yield Letter("billing@shop.example", (f"{fate}.b@corp.example", "ok.b@corp.example"), f"to {fate} and a friend")
    for domain in NETWORK:
        yield Letter("ops@app.example", (f"someone@{domain}",), "into the void")
    for name in ("ok", "fail"):
        yield Letter("ops@app.example", (f"{name}@http.example",), "by upload")
    yield Letter("ops@app.example", ("full@lmtp.example", "ok@lmtp.example"), "by LMTP")
    for subject in MARKED:
        yield Letter("ops@app.example", ("ok.marked@icloud.example", "ok.two@icloud.example"), subject)


def everyday(seed: int) -> Iterator[Letter]:
    """Yield letters without end. Most arrive, some are greylisted or bounce. About a third uses a login.

    A letter has one to six recipients.
    """
    dice = random.Random(seed)
    while True:
        sender = dice.choice(SENDERS)
        names = dice.choices(("ok", "grey", "unknown", "rate"), weights=(90, 6, 3, 1), k=dice.choice((1, 1, 1, 2, 6)))
        recipients = {f"{name}.{dice.randrange(10**6)}@{dice.choice(DOMAINS)}" for name in names}
        user = f"user{dice.randrange(5)}" if dice.random() < 1 / 3 else None
        yield Letter(sender, tuple(sorted(recipients)), f"letter {dice.randrange(10**6)}", user)


class Submitter:
    """An SMTP client of one ZoneMTA, with one connection for each login. It opens a failed connection again."""

    def __init__(self, zonemta: ZoneMTA) -> None:
        self._zonemta = zonemta
        self._sessions: dict[str | None, smtplib.SMTP] = {}
        self.sent = 0

    def send(self, letter: Letter) -> str:
        """Send a letter and return the text of the last reply, also if the server refuses the letter.

        Raise OSError or SMTPException if the connection fails.
        """
        session = self._sessions.get(letter.user) or self._connect(letter.user)
        self.sent += 1
        try:
            session.mail(letter.sender)
            for recipient in letter.recipients:
                session.rcpt(recipient)
            code, words = session.data(letter.content(self.sent))
            if code != 250:
                session.rset()
        except (OSError, smtplib.SMTPException):
            self._sessions.pop(letter.user, None)
            session.close()
            raise
        return words.decode()

    def _connect(self, user: str | None) -> smtplib.SMTP:
        port = self._zonemta.submission_port if user else self._zonemta.port
        session = smtplib.SMTP("127.0.0.1", port, local_hostname="app01.internal.example", timeout=20)
        try:
            self._introduce(session, user)
        except BaseException:
            session.close()
            raise
        self._sessions[user] = session
        return session

    @staticmethod
    def _introduce(session: smtplib.SMTP, user: str | None) -> None:
        if user:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the certificate is made by the tests
            session.starttls(context=context)
            session.login(user, "secret")
        session.ehlo()

    def close(self) -> None:
        """End all sessions."""
        for session in self._sessions.values():
            with contextlib.suppress(OSError, smtplib.SMTPException):
                session.quit()
            session.close()
        self._sessions.clear()


class Load:
    """A context manager that sends everyday mail from its own thread, and goes on when a server is killed."""

    PAUSE = 0.05  # s between letters: two cores can carry this load beside the servers

    def __init__(self, zonemta: ZoneMTA, seed: int) -> None:
        self._submitter = Submitter(zonemta)
        self._letters = everyday(seed)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    @property
    def sent(self) -> int:
        """The number of letters that the client tried to send."""
        return self._submitter.sent

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "the load does not end"

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self._submitter.send(next(self._letters))
            except (OSError, smtplib.SMTPException):
                time.sleep(0.2)  # the test has killed ZoneMTA
            time.sleep(self.PAUSE)
        self._submitter.close()
