"""The messages that Slack's endpoint and the mail server got: which alert each is about, and when it came."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from tests.alert_rules.desk import SLACK, links_of_slack, matchers, part, read

if TYPE_CHECKING:
    from email.message import EmailMessage

    from tests.servers.receivers import MailServer, Webhooks

LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `at` is the epoch time at which it was seen, `content` Slack's attachment or the e-mail."""

    at: float
    receiver: str
    alert: str
    severity: str
    is_resolved: bool
    title: str
    content: Any

    @property
    def what(self) -> tuple[str, str]:
        """The alert's name and severity."""
        return self.alert, self.severity

    def __str__(self) -> str:
        return f"{self.receiver}: {self.title} ({self.alert}, {self.severity})"


class Inbox:
    """Notes each message when it comes, with a resolution of `LOOK_SECONDS`."""

    def __init__(self, web: Webhooks, mail: MailServer) -> None:
        self._web, self._mail = web, mail
        self.messages: list[Message] = []
        self._posts = self._mails = 0
        self._stop = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def since(self, time: float) -> list[Message]:
        """Return the messages that came after an epoch time."""
        return [message for message in list(self.messages) if message.at >= time]

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            posts, mails = self._web.at(SLACK), list(self._mail.messages)
            new = [of_slack(content) for content in posts[self._posts :]]
            new += [of_email(message) for message in mails[self._mails :]]
            self._posts, self._mails = len(posts), len(mails)
            self.messages += new
            for message in new:
                print(f"{time.strftime('%H:%M:%S', time.gmtime(message.at))} {message}", flush=True)


def of_slack(content: dict[str, Any]) -> Message:
    """Return what a post to Slack says."""
    attachment = content["attachments"][0]
    links = links_of_slack(attachment["text"].splitlines()[-1])
    return _message(content["channel"], attachment["title"], links["Silence"], attachment)


def of_email(message: EmailMessage) -> Message:
    """Return what an e-mail says."""
    silence = re.findall(r"^Silence: (\S+)", part(message, "plain"), re.MULTILINE)
    return _message(str(message["To"]), str(message["Subject"]), silence[0], message)


def _message(receiver: str, title: str, silence: str, content: Any) -> Message:
    labels = read(matchers(silence))
    is_resolved = title.startswith("Resolved")
    return Message(time.time(), receiver, labels["alertname"], labels["severity"], is_resolved, title, content)
