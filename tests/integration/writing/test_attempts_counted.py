"""Attempts, the classes of their outcomes and the codes of providers equal the rows of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from collector.events.model.batch import Batch
from collector.metrics import Metrics
from collector.metrics.mail import MailMetrics
from grafana.queries import load_query
from tests.oracle.made_up import DAY, NOW, NOW_MS, some

if TYPE_CHECKING:
    from tests.integration.house import House

pytestmark = pytest.mark.servers

ATTEMPTS = """
SELECT cluster, coalesce(zone, 'none'), coalesce(provider, 'none'),
       CASE WHEN attempt >= 2 THEN 'later' WHEN attempt = 1 THEN 'first' ELSE 'unknown' END, action, count(*)
FROM mail_events
WHERE direction = 'outbound' AND action IN ('delivered', 'deferred', 'bounced')
GROUP BY 1, 2, 3, 4, 5
"""
OUTCOMES = f"""
SELECT cluster, coalesce(zone, 'none'), coalesce(provider, 'none'),
       coalesce(
         {load_query("shared/outcome_class")},
         CASE WHEN reason IN ('reputation', 'policy', 'authentication', 'content') THEN 'deferred_block' END,
         action
       ),
       count(*)
FROM mail_events
WHERE direction = 'outbound' AND action IN ('delivered', 'deferred', 'bounced')
GROUP BY 1, 2, 3, 4
"""
SIGNALS = """
SELECT coalesce(local_ip, 'none'), coalesce(provider, 'none'), provider_code, count(*)
FROM mail_events
WHERE direction = 'outbound' AND action IN ('delivered', 'deferred', 'bounced') AND provider_code IS NOT NULL
GROUP BY 1, 2, 3
"""


def counted(metrics: Metrics, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """Return a counter's values by these labels, without those at 0."""
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if sample.name == f"duckwatch_{name}_total" and sample.value
    }


def test_attempts_and_codes_equal_the_rows(house: House) -> None:
    """Every outcome counts once by attempt, and every code by its address, however often its batch comes."""
    metrics = Metrics()
    mail = MailMetrics(metrics, now=NOW.timestamp)
    events = [
        msgspec.structs.replace(one, attempt=(None, 1, 2, 9)[n % 4], provider_code="S3150" if n % 5 == 0 else None)
        for n, one in enumerate(some(2_000, NOW_MS - DAY, NOW_MS, seed=17))
    ]
    for part in (events[:900], events[500:], events):
        mail(house.store.write(Batch(part)))
    for statement, name, labels in (
        (ATTEMPTS, "mail_attempts", ("mail_cluster", "zone", "provider", "attempt", "outcome")),
        (OUTCOMES, "mail_outcomes", ("mail_cluster", "zone", "provider", "class")),
        (SIGNALS, "mail_provider_signals", ("local_ip", "provider", "code")),
    ):
        rows = {tuple(row[:-1]): row[-1] for row in house.connection.execute(statement.encode())}
        assert counted(metrics, name, *labels) == rows
        assert len(rows) > 1
    attempts = counted(metrics, "mail_attempts", "attempt", "outcome")
    assert len(attempts) == 9
