"""The demo's output: the addresses to open, a line of counts that is redrawn, the totals; or two lines of JSON."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Collection

    from duckwatch.demo.feed import Tally
    from duckwatch.demo.figures import Figures

QUIET_SECONDS = 5
"""Seconds between two lines of counts without a terminal. On a terminal one line is redrawn each second."""

NEWEST_BOUNCES = (
    "SELECT to_char(time, 'HH24:MI:SS') AS at, recipient_domain, reason, bounce_kind, response FROM mail_events"
    " WHERE action = 'bounced' ORDER BY time DESC LIMIT 10"
)
REASONS = (
    "SELECT provider, reason, bounce_kind, count(*) FROM mail_events"
    " WHERE action = 'bounced' AND time > now() - interval '1 day' GROUP BY 1, 2, 3 ORDER BY 4 DESC LIMIT 15"
)

SHOWN = ("queued", "delivered", "deferred", "bounced", "dropped")


@dataclass(frozen=True, slots=True)
class RunAddresses:
    """The addresses and files of a run. `kept` is True when the data stays.

    `psql` and `collector` are programs, `configuration` is the collector's file. `prometheus` and `alertmanager` are
    URLs, or None where these programs do not exist.
    """

    url: str
    dnsbl_url: str
    dsn: str
    token: str
    token_file: str
    data: str
    kept: bool
    psql: str
    collector: str
    configuration: str
    prometheus: str | None = None
    alertmanager: str | None = None


@dataclass(frozen=True, slots=True)
class RunTotals:
    """The totals of a run: events sent and acknowledged, new rows in the table, repeated events, length in seconds."""

    sent: int
    acknowledged: int
    stored: int
    duplicates: int
    seconds: float


class Screen:
    """Writes to `out`. With `as_json` it writes only the first and the last line, for programs."""

    def __init__(self, out: TextIO, *, as_json: bool) -> None:
        self._out, self._as_json = out, as_json
        self._redraws = out.isatty()
        self._ticks = 0
        self._width = 0
        self._firing: frozenset[str] = frozenset()

    def starting(self, what: str) -> None:
        """Print the name of the part that is being started."""
        if not self._as_json:
            self._line(f"starting {what} …")

    def ready(self, place: RunAddresses) -> None:
        """Print the addresses to open."""
        if self._as_json:
            first = {"url": place.url, "dsn": place.dsn, "token": place.token, "data": place.data}
            watched = {"prometheus": place.prometheus, "alertmanager": place.alertmanager}
            self._line(json.dumps(first | {name: url for name, url in watched.items() if url is not None}))
            return
        watched_by = (
            f"  alerts      {place.prometheus}/alerts   {place.alertmanager}/\n"
            if place.prometheus
            else "  alerts      install prometheus and prometheus-alertmanager to see them\n"
        )
        self._line(
            f"""
duckwatch is running.

  collector   {place.url}/   (open it in a browser; /metrics, /readyz)
  blocklists  {place.dnsbl_url}/   (made-up lists; open it in a browser; /metrics)
  database    {place.dsn}
{watched_by}  token       {place.token_file}
  data        {place.data}   ({"kept" if place.kept else "removed at the end"})

Ctrl-C stops it.
"""
        )

    def bounced(self, place: RunAddresses, queue_id: str) -> None:
        """Print commands that show why messages bounced, once there is a bounce."""
        if self._as_json:
            return
        psql = f"{shlex.quote(place.psql)} {shlex.quote(place.dsn)} -c"
        program = f"{shlex.quote(place.collector)} --config {shlex.quote(place.configuration)}"
        self._line(
            f"""
Why did this bounce? Paste one of these into another terminal:

  # the newest bounces, with the reason and the reply
  {psql} "{NEWEST_BOUNCES}"

  # the reasons of the last day, by mailbox provider
  {psql} "{REASONS}"

  # the life of one message that bounced: each attempt, with its reply and its reason
  {program} trace {shlex.quote(queue_id)}

Next steps:

  your own ZoneMTA          docs/installation.md
  dashboards and alerts     docs/dashboards.md, docs/alerting.md
  what each column holds    docs/events.md
"""
        )

    def counts(self, tally: Tally, figures: Figures) -> None:
        """Show the counts of this second."""
        self._ticks += 1
        if self._as_json or (not self._redraws and self._ticks % QUIET_SECONDS != 1):
            return
        by_action = " · ".join(f"{action} {figures.actions.get(action, 0):,}" for action in SHOWN)
        line = f"sent {tally.sent:,} · stored {figures.stored:,} · {by_action}"
        if self._redraws:
            self._out.write(f"\r{line:<{self._width}}")
            self._out.flush()
            self._width = max(self._width, len(line))
        else:
            self._line(line)

    def alerts(self, firing: Collection[str]) -> None:
        """Print the alerts that have begun to fire, and those that have ended, since the last call."""
        began, ended = sorted(set(firing) - self._firing), sorted(self._firing - set(firing))
        self._firing = frozenset(firing)
        if not self._as_json:
            for word, names in (("alert", began), ("ended", ended)):
                if names:
                    self._line(f"{word}: {', '.join(names)}")

    def stopping(self) -> None:
        """Print that the demo is stopping."""
        if not self._as_json:
            self._line("stopping (Ctrl-C once more: at once) …")

    def done(self, total: RunTotals) -> None:
        """Print the totals."""
        if self._as_json:
            self._line(json.dumps(asdict(total)))
        else:
            self._line(
                f"{total.sent:,} events sent, {total.acknowledged:,} acknowledged, {total.stored:,} stored, "
                f"{total.duplicates:,} repeated, in {total.seconds:.0f} s."
            )

    def _line(self, text: str) -> None:
        # Keep the last state of the redrawn line, and begin the next line below it.
        self._out.write(("\n" if self._width else "") + text + "\n")
        self._width = 0
        self._out.flush()
