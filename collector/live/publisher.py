"""The thread of Grafana Live: once a second it brings the windows up to date and pushes them.

Nothing waits for it. While Grafana is slow or away, windows are dropped and counted. What was committed meanwhile is in
the next push, since each holds the windows whole.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

import psycopg

from collector.errors import StoreError
from collector.live.changes import CommitQueue
from collector.live.pushing import PUSH_SECONDS, PushResult
from collector.live.reading import read_queue, read_windows
from collector.live.session import Session
from collector.store.database.connection import translate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from collector.config.renewable import Connectable
    from collector.live.changes import Addition
    from collector.live.pushing import Pusher
    from collector.live.reading import WindowSelection
    from collector.live.snapshot import Snapshot
    from collector.live.windows import Windows
    from collector.metrics import Metrics

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 5.0
"""The pause after a failure of the database."""

REREAD_SECONDS: Final = 60.0
"""How often the windows are read again: events that a job stores (reconciliation) come to no listener."""

LOSS_SECONDS: Final = 5.0
"""How soon they are read again when commits were left out."""

SHARE: Final = 50
"""A query of the database that took a second is asked again after this many seconds, so that a large house does not
spend its database on Live.
"""

ADVICE: Final = {
    PushResult.UNAUTHORIZED: "write a new token of role Editor into the file that collector.live.token_file names",
    PushResult.REFUSED: "Grafana's log says why",
    PushResult.TIMEOUT: "Grafana does not answer in time",
    PushResult.UNREACHABLE: "nothing answers at collector.live.url",
}


class Publisher:
    """Pushes the windows of one database, while this collector holds the lock. `inbox` is the listener of commits.

    `now` is epoch seconds.
    """

    def __init__(
        self,
        session_dsn: Connectable,
        pusher: Pusher,
        asked: WindowSelection,
        *,
        metrics: Metrics,
        now: Callable[[], float],
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self.inbox = CommitQueue(now)
        self.trouble: str | None = None
        """What is wrong with the pushes or the database, None while all is well."""
        self._session, self._pusher, self._asked = Session(session_dsn), pusher, asked
        self._metrics, self._now, self._every = metrics, now, every_seconds
        self._windows: Windows | None = None
        self._snapshot: Snapshot | None = None
        self._reread_at = self._reread_loss_at = self._queue_at = 0.0
        self._has_lost = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)

    def start(self) -> None:
        """Begin to push. The schema must exist. A second call does nothing."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """End the thread after the push under way, or break off its query."""
        self._stop.set()
        if not self._thread.is_alive():
            return
        self._thread.join(PUSH_SECONDS + 1)
        if self._thread.is_alive():
            self._session.abandon()
            self._thread.join(1)

    def _run(self) -> None:
        due = time.monotonic()
        try:
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                pause = self._turn()
                due += self._every
                if pause or (missed := int((time.monotonic() - due) / self._every)) > 0:
                    due = time.monotonic() + pause
                    if not pause and self._windows is not None:
                        self._metrics.live_pushes.labels(PushResult.DROPPED).inc(missed)
        finally:
            self._session.close()
            self._pusher.close()

    def _turn(self) -> float:
        """Bring the windows up to date and push them. Return the seconds to pause: 0 unless the database failed."""
        try:
            body = self._body()
        except (psycopg.Error, StoreError) as error:
            failure = translate(error) if isinstance(error, psycopg.Error) else error
            self._fail(getattr(failure, "kind", "bad_row"))
            self._metrics.count_refusal(getattr(failure, "sqlstate", None))
            return PAUSE_SECONDS
        except Exception:
            log.exception("Grafana Live failed because of an error in the collector")
            self._fail("internal")
            return PAUSE_SECONDS
        if body is not None:
            result = self._pusher.push(body)
            self._metrics.live_pushes.labels(result).inc()
            self._note(None if result is PushResult.PUSHED else result, ADVICE.get(result, ""))
        elif self.trouble is not None:
            self._note(None)
        return 0.0

    def _body(self) -> str | None:
        """Return the windows; None while another collector pushes, which gets this one's commits instead."""
        leads = self._session.leads()
        changes, has_lost = self.inbox.take()
        self._has_lost |= has_lost
        if not leads:
            self._windows = None
            self._send(changes)
            return None
        others, have_lost = self._session.received()
        self._has_lost |= have_lost
        now = int(self._now())
        windows = self._up_to_date(now)
        self._add(windows, [*changes, *others], now)
        self._sample_queue(windows, now)
        return windows.render(now)

    def _send(self, changes: Sequence[Addition]) -> None:
        """Send the changes to the collector that pushes. What cannot be sent is lost, which the next turn says."""
        has_lost, self._has_lost = self._has_lost, True
        self._session.send(changes, has_lost=has_lost)
        self._has_lost = False

    def _up_to_date(self, now: int) -> Windows:
        """Return the windows; read them from the database when that is due."""
        began = time.monotonic()
        is_due = began >= self._reread_at or (self._has_lost and began >= self._reread_loss_at)
        if self._windows is None or is_due:
            zones = () if self._windows is None else self._windows.zones
            with self._session.limited():
                read = read_windows(self._session.connection(), self._asked._replace(zones=zones), now)
            self._windows, self._snapshot = read
            self._has_lost = False
            ended = time.monotonic()
            cost = (ended - began) * SHARE
            self._reread_at, self._reread_loss_at = ended + max(REREAD_SECONDS, cost), ended + max(LOSS_SECONDS, cost)
        return self._windows

    def _add(self, windows: Windows, changes: Iterable[Addition], now: int) -> None:
        for change in changes:
            if self._snapshot is None or not self._snapshot.sees(change.transaction):
                windows.add(change.recent, now)

    def _sample_queue(self, windows: Windows, now: int) -> None:
        began = time.monotonic()
        if began < self._queue_at:
            return
        with self._session.limited():
            states = read_queue(self._session.connection())
        if states is not None:
            windows.set_queue(now, states, now)
        ended = time.monotonic()
        # An eighth of a second less than a turn, so that each turn may ask.
        self._queue_at = ended + max(self._every * 7 / 8, (ended - began) * SHARE) - (ended - began)

    def _fail(self, kind: str) -> None:
        self._session.close()
        self._windows = None
        self._note(kind, "the database does not answer as it should: run doctor")

    def _note(self, trouble: str | None, advice: str = "") -> None:
        """Log a trouble when it begins and when it ends, not at each push."""
        if trouble is not None and trouble != self.trouble:
            fields = {"trouble": str(trouble)} | ({"advice": advice} if advice else {})
            log.warning("Grafana Live gets no windows", extra={"fields": fields})
        elif trouble is None and self.trouble is not None:
            log.warning("Grafana Live gets windows again")
        self.trouble = trouble
