"""Fills an empty database with a month of made-up outbound mail, and has the collector's own job build the roll-ups.

The server makes the rows, so that ten million take minutes. The seed is fixed: a run makes the same mail again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, LiteralString

import psycopg

from collector.config.model import RetentionSettings
from collector.events.model.event import COLUMNS, Provider
from collector.jobs import RollUp
from collector.store.database.connection import scalar
from collector.store.writing.batch_write import PostgresStore

if TYPE_CHECKING:
    from collections.abc import Mapping

DAYS: Final = 30
KEPT: Final = RetentionSettings(raw=timedelta(days=60))
"""Longer than the month, so that the job builds its first day too."""

EVENTS_PER_MESSAGE: Final = 2.4
PROVIDERS: Final = tuple(Provider)[:12]
CLUSTERS: Final = ("eu1", "eu1", "eu1", "us1", "us1", "asia1", "test1")
ZONES: Final = ("default", "default", "bulk", "transactional")
ADDRESSES: Final = 40
DOMAINS: Final = 6_000
TENANTS: Final = 300
RECIPIENTS: Final = 400_000
REPLIES: Final = (
    ("unknown_user", "hard", "550 5.1.1 <addr>: Recipient address rejected: User unknown in virtual mailbox table"),
    ("mailbox_full", "soft", "452 4.2.2 The recipient's inbox is out of storage space. Please direct them to <url>"),
    ("reputation", "soft", "550 5.7.1 [<ip>] Our system has detected that this message is suspicious, see <url>"),
    ("rate_limited", "soft", "421 4.7.28 [<ip>] Our system has detected an unusual rate of unsolicited mail"),
    ("greylisted", "soft", "450 4.2.0 <addr>: Recipient address rejected: Greylisted, see <url>"),
    ("policy", "soft", "554 5.7.1 Service unavailable; Client host [<ip>] blocked using <host>"),
    ("authentication", "soft", "550 5.7.26 This mail has been blocked because the sender is unauthenticated"),
    ("content", "soft", "554 5.7.1 The message was rejected as spam by the content filter"),
    ("connection", "expired", "421 4.4.2 Connection timed out while waiting for the server's greeting"),
    ("other", "soft", "451 4.3.0 Temporary failure, please try again later"),
)
"""Reason, kind of a bounce, and pattern of the replies, of which some are more frequent than others."""

_MESSAGES: Final[LiteralString] = """
SELECT
  n,
  -- Messages are written in mixed order within a hundred, and there is more mail at noon than at night.
  %(start)s::timestamptz + make_interval(secs =>
    seconds - 0.6 * 86400 / (2 * pi()) * sin(2 * pi() * seconds / 86400)) AS queued,
  floor(power(random(), 1.5) * %(addresses)s)::int AS address,
  -- Six of ten messages go to the large providers, whose domains come first.
  CASE
    WHEN random() < 0.6 THEN floor(power(random(), 2) * array_length(%(providers)s::text[], 1))::int
    ELSE array_length(%(providers)s::text[], 1) + floor(power(random(), 2) * %(domains)s)::int
  END AS domain,
  floor(power(random(), 2) * %(tenants)s)::int AS tenant,
  floor(random() * %(recipients)s)::int AS person,
  CASE WHEN random() < 0.2 THEN 1 + floor(random() * 3)::int ELSE 0 END AS retries,
  random() AS fate,
  1 + floor(power(random(), 2) * array_length(%(patterns)s::text[], 1))::int AS reply,
  floor(power(random(), 3) * 40)::int AS variant,
  random() AS pace,
  random() < 0.02 AS is_dsn
FROM (
  SELECT n, ((n / 100 * 100 + n * 61 %% 100) + random()) * %(seconds)s / %(messages)s AS seconds
  FROM generate_series(%(first)s::bigint, %(last)s::bigint - 1) AS n
) AS moments
"""

_LIVES: Final[LiteralString] = """
SELECT
  made.*,
  step,
  -- A sending address is of one cluster, and of the pool of one zone.
  (%(clusters)s::text[])[1 + address %% array_length(%(clusters)s::text[], 1)] AS cluster,
  (%(zones)s::text[])[1 + address %% array_length(%(zones)s::text[], 1)] AS zone,
  '192.0.2.' || 1 + address AS local_ip,
  lpad(to_hex((extract(epoch FROM queued) * 1000)::bigint), 11, '0') || lpad(to_hex(n), 7, '0') AS queue_id,
  (%(providers)s::text[])[1 + CASE
    WHEN domain < array_length(%(providers)s::text[], 1) THEN domain
    WHEN domain %% 10 < 3 THEN domain %% 10
  END] AS provider,
  queued + interval '1 millisecond' * CASE
    WHEN step = 0 THEN 0 ELSE floor(300 + power(pace, 8) * 90000) + 900000 * (step - 1) END AS time,
  CASE
    WHEN step = 0 THEN 'queued'
    WHEN step <= retries THEN 'deferred'
    -- One in five hundred of the small domains refuses everything.
    WHEN fate < 0.04 OR domain %% 500 = 113 THEN 'bounced'
    WHEN fate > 0.998 THEN 'dropped'
    ELSE 'delivered'
  END AS action
FROM ({messages}) AS made
CROSS JOIN LATERAL generate_series(0, retries + 1) AS step
"""

_SELECTED: Final[Mapping[str, LiteralString]] = {
    "time": "time",
    "cluster": "cluster",
    "host": "'mta1'",
    "event_id": (
        "queue_id || CASE WHEN step > 0 THEN '.001' ELSE '' END || ':' || action"
        " || CASE action WHEN 'deferred' THEN ':' || step ELSE '' END"
    ),
    "action": "action",
    "source": "'plugin'",
    "direction": "CASE WHEN is_dsn THEN 'dsn' ELSE 'outbound' END",
    "queue_id": "queue_id",
    "seq": "CASE WHEN step > 0 THEN '001' END",
    "recipients": "1",
    "message_id": "'<' || md5(n::text) || '@tenant' || tenant || '.example>'",
    "zone": "zone",
    "interface": "'feeder'",
    "auth_user": "'tenant' || tenant",
    "sender": "'news' || person % 9 || '@tenant' || tenant || '.example'",
    "sender_domain": "'tenant' || tenant || '.example'",
    "recipient": "CASE WHEN step > 0 THEN 'person' || person || '@domain' || domain || '.example' END",
    "recipient_domain": "CASE WHEN step > 0 THEN 'domain' || domain || '.example' END",
    "mx_host": "CASE WHEN step > 0 THEN 'mx1.domain' || domain || '.example' END",
    "mx_ip": "CASE WHEN step > 0 THEN '198.51.100.' || domain % 250 END",
    "provider": "CASE WHEN step > 0 THEN coalesce(provider, 'other') END",
    "local_ip": "CASE WHEN step > 0 THEN local_ip END",
    "smtp_code": (
        "CASE action WHEN 'delivered' THEN 250 WHEN 'bounced' THEN 550 WHEN 'deferred' THEN 450 END::smallint"
    ),
    "reason": "CASE WHEN action IN ('deferred', 'bounced') THEN (%(reasons)s::text[])[reply] END",
    "bounce_kind": "CASE WHEN action = 'bounced' THEN (%(kinds)s::text[])[reply] END",
    "response": (
        "CASE WHEN action IN ('deferred', 'bounced') THEN (%(patterns)s::text[])[reply] || ' ' || md5(n::text)"
        " WHEN action = 'delivered' THEN '250 2.0.0 OK ' || md5(n::text) || ' - gsmtp' END"
    ),
    "response_pattern": (
        "CASE WHEN action IN ('deferred', 'bounced') THEN (%(patterns)s::text[])[reply] || ' (' || variant || ')'"
        " WHEN action = 'delivered' THEN '250 2.0.0 OK <id> - gsmtp' END"
    ),
    "attempt": "CASE WHEN step > 0 AND action <> 'dropped' THEN step END",
    "next_attempt": "CASE WHEN action = 'deferred' THEN time + interval '15 minutes' END",
    "size_bytes": "CASE WHEN step = 0 THEN (2000 + power(pace, 4) * 400000)::bigint END",
    "smtp_ms": "CASE WHEN step > 0 THEN (200 + pace * 2000)::int END",
    "queue_ms": (
        "CASE WHEN action IN ('delivered', 'bounced') THEN (extract(epoch FROM time - queued) * 1000)::bigint END"
    ),
    "tls_version": (
        "CASE WHEN action = 'delivered' AND domain % 40 <> 39"
        " THEN CASE WHEN domain % 3 < 2 THEN 'TLSv1.3' ELSE 'TLSv1.2' END END"
    ),
    "tls_authorized": "CASE WHEN action = 'delivered' AND domain % 40 <> 39 THEN domain % 7 <> 6 END",
    "raw": (
        "CASE WHEN step > 0 THEN jsonb_build_object('from', 'news', 'src', local_ip, 'body', md5(n::text), 'defcount',"
        " step, 'port', 25) END"
    ),
    "received_at": "time + interval '200 milliseconds'",
}
"""By column: what it holds. The others are null."""


def fill(dsn: str, events: int, until: datetime, days: int = DAYS) -> int:
    """Fill the empty database with about `events` events of the days before `until`. Return the exact number."""
    store = PostgresStore(dsn, dsn, kept=KEPT)
    store.prepare()
    store.close()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        _without_indexes(connection, events, until, days)
        connection.execute("VACUUM ANALYZE mail_events")
        return int(str(scalar(connection, "SELECT count(*) FROM mail_events")))


def _without_indexes(connection: psycopg.Connection, events: int, until: datetime, days: int) -> None:
    """Write the events day by day while `mail_events` has no index, and then make its indexes again."""
    indexes = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'mail_events' AND schemaname = current_schema()"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}".encode())
    messages = round(events / EVENTS_PER_MESSAGE / 100) * 100
    statement = _statement()
    connection.execute("SELECT setseed(0.15)")
    for day in range(days):
        first, last = messages * day // days, messages * (day + 1) // days
        connection.execute(statement, _values(messages, until, days) | {"first": first, "last": last})
    connection.execute("SET maintenance_work_mem = '512MB'")
    for _, definition in indexes:
        connection.execute(definition.encode())


def _statement() -> bytes:
    names = [name for name in COLUMNS if name in _SELECTED]
    assert len(names) == len(_SELECTED)
    # Psycopg reads a percent sign as a placeholder, unless it is doubled.
    columns = ", ".join(_SELECTED[name].replace(" % ", " %% ") for name in names)
    lives = _LIVES.replace("{messages}", _MESSAGES)
    made = f"SELECT {columns} FROM ({lives}) AS lives WHERE time < %(until)s"  # noqa: S608  # this module's own texts
    return f"INSERT INTO mail_events ({', '.join(names)}) {made}".encode()


def _values(messages: int, until: datetime, days: int) -> dict[str, object]:
    reasons, kinds, patterns = zip(*REPLIES, strict=True)
    return {
        "start": until - timedelta(days=days),
        "until": until,
        "seconds": days * 86_400,
        "messages": messages,
        "clusters": list(CLUSTERS),
        "zones": list(ZONES),
        "providers": [str(provider) for provider in PROVIDERS],
        "addresses": ADDRESSES,
        "domains": DOMAINS,
        "tenants": TENANTS,
        "recipients": RECIPIENTS,
        "reasons": list(reasons),
        "kinds": list(kinds),
        "patterns": list(patterns),
    }


def build(dsn: str, until: datetime, days: int = DAYS) -> None:
    """Mark every bucket of these days as a writer does, and run the job `roll_up` until no bucket waits."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO touched_buckets SELECT generate_series(%s::timestamptz, %s, interval '15 seconds')",
            (until - timedelta(days=days), until),
        )
        while True:
            # Each time as just started: no bucket that is marked again rests for minutes.
            RollUp(KEPT).run(connection, datetime.now(UTC), lambda: False)
            if not scalar(connection, "SELECT EXISTS (SELECT FROM stale_buckets)"):
                break
        connection.execute("VACUUM ANALYZE")
