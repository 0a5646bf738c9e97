"""Runs the demo and a Prometheus that scrapes it, and makes their data sources in a Grafana."""

from __future__ import annotations

import contextlib
import secrets
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
import yaml
from psycopg import conninfo, sql

from grafana.generate import GENERATED
from tests.alert_rules.rules import RULE_FILES
from tests.servers import demo
from tests.servers.process import wait_until
from tests.servers.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.grafana import Grafana

PROVISIONED: dict[str, dict[str, Any]] = {
    source["type"]: source
    for source in yaml.safe_load((GENERATED.parent / "provisioning" / "datasources" / "duckwatch.yaml").read_text())[
        "datasources"
    ]
}
"""The data sources of our provisioning files, by the id of their plugin."""


class Sources(NamedTuple):
    """The values of the dashboards' variables: the uids of the data sources, and the queue id for *Message trace*."""

    timescale: str
    prometheus: str
    message: str = ""


TOLD: Final = (
    "SELECT queue_id FROM mail_events WHERE time > now() - interval '10 minutes' AND queue_id IS NOT NULL"
    " GROUP BY queue_id"
    " HAVING bool_or(action = 'queued') AND bool_or(action = 'deferred') AND bool_or(action = 'delivered')"
    " ORDER BY count(*) DESC, queue_id LIMIT 1"
)
"""The message with the most to tell: it waited, and was delivered."""


SCRAPE_INTERVAL: Final = "10s"
"""Long enough for a scrape on a loaded machine, which takes seconds: one that ends late makes a collector disappear."""

IS_UP_TO_DATE: Final = "SELECT max(time) > now() - interval '10 seconds' FROM mail_events"


@contextlib.contextmanager
def staged(grafana: Grafana, folder: Path, *, rate: float, history: float, warm: float) -> Iterator[Sources]:
    """Run the demo for `warm` seconds, then yield the uids of its data sources. The servers stop at the block's end.

    `rate` is in events a second, `history` in hours. Raise MissingServerError when Prometheus is missing.
    """
    with ExitStack() as stack:
        mail = stack.enter_context(demo.running("--rate", str(rate), "--history", str(history)))
        began = time.monotonic()
        if rate:
            _wait_for_history(mail.dsn)
        prometheus = Prometheus(folder / "prometheus", folder, mail.targets, RULE_FILES, interval=SCRAPE_INTERVAL)
        stack.callback(prometheus.stop)
        prometheus.start()
        sources = Sources(_database(grafana, mail.dsn), _source(grafana, "prometheus", {"url": prometheus.url}))
        time.sleep(max(0.0, warm - (time.monotonic() - began)))
        yield sources._replace(message=_message(mail.dsn))


def _wait_for_history(dsn: str) -> None:
    """Wait until the demo has stored its past, which it sends in order.

    Events of the past are stored hours after their stamps: a Prometheus that saw that would show a burning objective.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        wait_until(
            lambda: connection.execute(IS_UP_TO_DATE).fetchone() == (True,),
            "the demo's history is stored",
            seconds=600,
            every=1,
        )


def _database(grafana: Grafana, dsn: str) -> str:
    """Give the dashboards' role a password, make its data source, and return the uid."""
    parts = conninfo.conninfo_to_dict(dsn)
    where = {"user": PROVISIONED["postgres"]["user"], "url": f"{parts['host']}:{parts['port']}"}
    secret = {"secureJsonData": {"password": reader_password(dsn)}}
    return _source(grafana, "postgres", {**where, **secret}, {"database": parts["dbname"]})


def _message(dsn: str) -> str:
    """Return the queue id of a message for *Message trace*; empty without mail."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(TOLD).fetchone()
    return str(row[0]) if row else ""


def reader_password(dsn: str) -> str:
    """Set a new password for the dashboards' role, and return it."""
    password = secrets.token_urlsafe(16)
    with psycopg.connect(dsn, autocommit=True) as connection:
        role = sql.Identifier(PROVISIONED["postgres"]["user"])
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(password)))
    return password


def _source(grafana: Grafana, kind: str, settings: dict[str, Any], more: dict[str, Any] | None = None) -> str:
    ours = PROVISIONED[kind]
    return grafana.data_source(kind, {"name": ours["name"], **settings, "jsonData": ours["jsonData"] | (more or {})})
