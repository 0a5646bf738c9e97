"""A running Alertmanager with our configuration, what it sends to, and how a message is read."""

from __future__ import annotations

import html
import json
import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from tests.alert_rules.alertmanager import adapted, written
from tests.servers.alertmanager import Alertmanager
from tests.servers.fixtures import need
from tests.servers.process import wait_until
from tests.servers.receivers import MailServer, Webhooks
from tests.servers.sinks import make_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage
    from pathlib import Path

SLACK, DEADMAN = "/services/T0/B0/secret", "/deadman"
RUNBOOK = "https://runbooks.duckwatch.example/runbook.md#duckwatchproviderrefuses"
DASHBOARD = "https://grafana.duckwatch.example/d/duckwatch-delivery?var-cluster=eu&var-provider=yahoo"
USER, PASSWORD = "alerts@mail.example", "a password, from a file"
STARTED = datetime(2026, 3, 1, 2, 7, tzinfo=UTC)


class Desk:
    """A running Alertmanager, and what it sends to."""

    def __init__(self, alertmanager: Alertmanager, web: Webhooks, mail: MailServer) -> None:
        self.alertmanager = alertmanager
        self.web = web
        self.mail = mail

    def fire(self, *alerts: dict[str, Any]) -> None:
        """Send alerts that fire."""
        self.alertmanager.send([{"endsAt": stamp(datetime.now(UTC) + timedelta(hours=1))} | one for one in alerts])

    def slack(self, wanted: str, count: int = 1) -> dict[str, Any]:
        """Wait for messages in Slack that contain a text, and return the last one's attachment."""

        def found() -> list[dict[str, Any]]:
            attachments = [content["attachments"][0] for content in self.web.at(SLACK)]
            return [one for one in attachments if wanted in str(one)]

        wait_until(lambda: len(found()) >= count, lambda: f"{wanted} in Slack: {self.alertmanager.log_text()}")
        return found()[-1]

    def email(self, wanted: str, count: int = 1) -> EmailMessage:
        """Wait for e-mails that contain a text, and return the last one."""

        def found() -> list[EmailMessage]:
            return [one for one in self.mail.messages if wanted in part(one, "plain") + one["Subject"]]

        wait_until(lambda: len(found()) >= count, lambda: f"{wanted} by e-mail: {self.alertmanager.log_text()}")
        return found()[-1]


@contextmanager
def opened(server_logs: Path, folder: Path, rules: Path) -> Iterator[Desk]:
    """Open a desk with the configuration and the templates of a folder of rules."""
    key, certificate = make_certificate(folder)
    web = Webhooks()
    mail = MailServer(key, certificate, USER, PASSWORD)
    secrets = {"slack_webhook_url": web.url + SLACK, "smtp_password": PASSWORD, "deadman_url": web.url + DEADMAN}
    for name, content in secrets.items():
        (folder / name).write_text(content, encoding="utf-8")
    files = [*(rules / "templates").glob("*.tmpl"), certificate, *(folder / name for name in secrets)]
    try:
        server = need(lambda: Alertmanager(server_logs, adapted(written(rules), f"127.0.0.1:{mail.port}"), files))
        try:
            server.start()
            yield Desk(server, web, mail)
        finally:
            server.stop()
    finally:
        mail.stop()
        web.stop()


def stamp(time: datetime) -> str:
    """Return a time as Alertmanager reads it."""
    return time.isoformat()


def refusal(**labels: str) -> dict[str, Any]:
    """Return an alert like those of the pack: a provider that refuses. `labels` are added, or replace those."""
    provider = labels.get("provider", "yahoo")
    return {
        "labels": {
            "alertname": "DuckwatchProviderRefuses",
            "severity": "critical",
            "team": "mail",
            "component": "delivery",
            "provider": "yahoo",
        }
        | labels,
        "annotations": {
            "summary": f"{provider} takes only 12.5% of what {labels.get('mail_cluster', '')} offers",
            "description": f"In the last 30 minutes only 12.5% of the attempts at {provider} ended in a delivery.",
            "runbook_url": RUNBOOK,
            "dashboard_url": DASHBOARD,
        },
        "startsAt": stamp(STARTED),
    }


def part(message: EmailMessage, kind: str) -> str:
    """Return the text of a message's part."""
    body = message.get_body((kind,))
    return "" if body is None else str(body.get_content())


def links_of_slack(text: str) -> dict[str, str]:
    """Return name -> address of Slack's links; assert that nothing else stands between < and >."""
    assert re.sub(r"<https?://[^<>|\s]+\|[A-Za-z]+>", "", text).count("<") == 0
    found = re.findall(r"<([^<>|]+)\|([A-Za-z]+)>", text)
    return {name: html.unescape(address) for address, name in found}


class Links(HTMLParser):
    """The links of a page by their text, and every tag."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self._address: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._address = dict(attrs).get("href")

    def handle_data(self, data: str) -> None:
        if self._address:
            self.found[data], self._address = self._address, None


def matchers(link: str) -> str:
    """Return the matchers of a silence link, as Alertmanager's page reads them: it decodes per cent only."""
    page, _, query = urlsplit(link).fragment.partition("?")
    assert page == "/silences/new"
    name, _, value = query.partition("=")
    assert name == "filter"
    assert "&" not in value
    return unquote(value)


def read(text: str) -> dict[str, str]:
    """Return label -> value of matchers. Alertmanager's page reads each value as a JSON string."""
    assert text.startswith("{")
    assert text.endswith("}")
    found = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*")(?:,|$)', text[1:-1])
    assert ",".join(f"{name}={value}" for name, value in found) == text[1:-1]
    return {name: json.loads(value) for name, value in found}
