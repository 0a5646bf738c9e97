"""Tests of the dashboard *MTA itself* on what a real ZoneMTA and a real WildDuck 1.51 say of themselves.

A real Prometheus scrapes both, while mail is sent, people log in, and a webhook is posted.
"""

from __future__ import annotations

import contextlib
import imaplib
import json
import os
import re
import time
import urllib.request
from typing import TYPE_CHECKING, Self

import pytest

from tests.acceptance.mail import Letter, Submitter
from tests.acceptance.mailboxes import PASSWORD, deliver, log_in, mark_as_spam, users_of
from tests.contract.others import FILE, read_page, recorded
from tests.contract.test_dashboards import PROMQL
from tests.servers.fixtures import need
from tests.servers.process import wait_until
from tests.servers.prometheus import Prometheus
from tests.servers.redis import Redis
from tests.servers.secantus import Secantus
from tests.servers.sinks import Sinks
from tests.servers.wildduck import DATABASE, WildDuck
from tests.servers.zonemta import Options, ZoneMTA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.servers, pytest.mark.timeout(420)]

LETTERS = (
    Letter("ops@app.example", ("ok.one@corp.example", "unknown.one@corp.example", "grey3.one@corp.example"), "hello"),
    Letter("ops@app.example", ("ok.two@gmail.example",), "hello again"),
)
OF_PROGRAMS = {name: text for name, text in PROMQL.items() if re.search(r"\b(zonemta|wildduck)_", text)}
UNSCRAPED = {name: text for name, text in OF_PROGRAMS.items() if " unless " in text}
"""The expressions that stand in a panel for metrics which Prometheus does not have."""

ROUNDS = 3
"""How often everything is done. A rate needs a series that has grown between two scrapes."""


class Mta:
    """ZoneMTA, WildDuck, what they need, and the Prometheus that scrapes them."""

    def __init__(self, folder: Path, logs: Path) -> None:
        """Prepare the servers without starting them. Raise `MissingServerError` if one is not installed."""
        self._redis = Redis(logs)
        self._mongo = Secantus(folder / "mongo", logs)
        self._sinks = Sinks(folder, logs)
        mongo, port = self._mongo.uri, self._redis.port
        options = Options(zones=("default", "bounces"), checks=False)
        self.zonemta = ZoneMTA(folder / "zonemta", logs, self._sinks, mongo("zone-mta"), port, options)
        self.wildduck = WildDuck(folder / "wildduck", logs, mongo(DATABASE), port, metrics=True)
        self._hosts = {
            "zonemta": f"127.0.0.1:{self.zonemta.api_port}",
            "wildduck": f"127.0.0.1:{self.wildduck.metrics_port}",
        }
        self.prometheus = Prometheus(folder / "prometheus", logs, {job: [host] for job, host in self._hosts.items()})

    def __enter__(self) -> Self:
        for server in (self._mongo, self._redis, self._sinks, self.zonemta, self.wildduck, self.prometheus):
            server.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self.prometheus, self.wildduck, self.zonemta, self._sinks, self._redis, self._mongo):
            server.stop()

    def page(self, program: str) -> str:
        """Return the program's page of metrics."""
        with urllib.request.urlopen(f"http://{self._hosts[program]}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    def upload_url(self) -> str:
        """Return the URL of the sink that answers POSTs, for webhooks."""
        return f"http://127.0.0.1:{self._sinks.ports['http']}/"

    def scraped(self) -> None:
        """Wait until Prometheus has scraped both programs once more."""
        began = time.time()
        newest = "min(timestamp(up))"
        wait_until(lambda: max(self.prometheus.query(newest).values(), default=0) > began, "both are scraped", 60)


def _send(mta: Mta) -> None:
    submitter = Submitter(mta.zonemta)
    for letter in LETTERS:
        submitter.send(letter)
    submitter.close()


def _ask_wrongly(wildduck: WildDuck) -> None:
    """Open a mailbox that does not exist, which IMAP answers with NO."""
    session = imaplib.IMAP4("127.0.0.1", wildduck.imap_port)
    session.login("alice", PASSWORD)
    with contextlib.suppress(imaplib.IMAP4.error):
        session.select("nowhere")
    session.logout()


@pytest.fixture(scope="module")
def mta(tmp_path_factory: pytest.TempPathFactory, server_logs: Path) -> Iterator[Mta]:
    """Yield the programs after some mail, logins and a deletion that waits as a task."""
    with need(lambda: Mta(tmp_path_factory.mktemp("mta"), server_logs)) as servers:
        wildduck = servers.wildduck
        wildduck.post_webhooks(servers.upload_url())
        alice, bob = users_of(wildduck)
        for _ in range(ROUNDS):
            _send(servers)
            deliver(wildduck)
            log_in(wildduck)
            mark_as_spam(wildduck, alice)
            _ask_wrongly(wildduck)
            servers.scraped()
        # A task that waits until then, because a finished one is deleted.
        wildduck.api("DELETE", f"/users/{bob}?deleteAfter=2100-01-01T00:00:00.000Z")
        yield servers


@pytest.mark.parametrize("expr", [text for name, text in OF_PROGRAMS.items() if name not in UNSCRAPED])
def test_every_expression_has_samples(mta: Mta, expr: str) -> None:
    """Prometheus has a number for every expression of the dashboards that reads a metric of ZoneMTA or WildDuck."""
    sent = re.sub(r'=~"\$\w+"', '=~".+"', expr.replace("$__rate_interval", "5m"))
    # A NaN is a quantile of nothing.
    wait_until(lambda: any(value == value for value in mta.prometheus.query(sent).values()), sent, 60)  # noqa: PLR0124


@pytest.mark.parametrize("expr", UNSCRAPED.values(), ids=UNSCRAPED)
def test_a_program_that_is_not_scraped_is_named(mta: Mta, expr: str) -> None:
    """The line for missing metrics is there only without them."""
    assert mta.prometheus.query(expr.replace("$wildduck", ".+")) == {}
    assert mta.prometheus.query(expr.replace("$wildduck", "nowhere")) == {(): -1}


def test_the_contract_knows_the_metrics_as_the_programs_name_them(mta: Mta) -> None:
    """Each metric that panels may read is there, with the labels that `others.json` says."""
    found = {program: read_page(mta.page(program)) for program in ("zonemta", "wildduck")}
    if os.environ.get("DUCKWATCH_WRITE_OTHERS"):
        FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for program, metrics in recorded().items():
        assert {name: found[program].get(name) for name in metrics} == metrics
