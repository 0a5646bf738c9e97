"""The collector of a replay: a process as a user runs it, with a token for each cluster."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.servers.collector import Collector
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.oracle.wire import Body

UNBOUND = "replay-any-cluster"


class ReplayCollector(Collector):
    """A collector with a token that fixes no cluster, and one for each cluster in `clusters`."""

    def __init__(self, folder: Path, dsn: str, clusters: tuple[str, ...] = ()) -> None:
        self._tokens = {name: f"replay-{name}" for name in clusters}
        bound = [{"token": token, "cluster": name} for name, token in self._tokens.items()]
        super().__init__(folder, folder, dsn, {"auth": {"tokens": [{"token": UNBOUND}, *bound]}})

    def post(self, body: Body, cluster: str | None = None) -> dict[str, Any]:
        """Send a body with the token of `cluster`, or with the one that fixes none. Fail unless the answer is 202."""
        token = UNBOUND if cluster is None else self._tokens[cluster]
        headers = body.headers | {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(f"{self.url}/api/events/ingest", body.content, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert answer.status == 202
                parsed: dict[str, Any] = json.loads(answer.read())
                return parsed
        except urllib.error.HTTPError as error:
            raise AssertionError(f"answered {error.code}: {error.read(500)!r}") from error

    def totals(self, name: str, *labels: str) -> Counter[tuple[str, ...]]:
        """Return the sums of a counter by some of its labels, without sums of zero."""
        sums: Counter[tuple[str, ...]] = Counter()
        for found, value in self.metrics().get(name, {}).items():
            sums[tuple(dict(found)[label] for label in labels)] += int(value)
        return Counter({key: value for key, value in sums.items() if value})

    def wait_settled(self, sent: int) -> None:
        """Wait until all `sent` events are counted as new rows or duplicates, and the journal is empty."""

        def settled() -> bool:
            done = self.total("duckwatch_mail_events_total") + self.total("duckwatch_ingest_duplicates_total")
            return done >= sent and self.total("duckwatch_journal_requests") == 0

        wait_until(settled, f"{sent} events in the table, journal empty", seconds=60, every=0.2)
