"""Replies of a kind that was not seen for a week: counted from the roll-up, as an independent count of the events."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

import msgspec
import pytest

from collector.events.model.batch import Batch
from collector.events.model.event import Action, Direction, MailEvent, Provider, Source
from collector.jobs import NewPatterns
from collector.metrics import Metrics
from tests.oracle.made_up import DAY, HOUR, NOW_MS, some

if TYPE_CHECKING:
    from tests.integration.house import House

pytestmark = pytest.mark.servers

MINUTE = 60_000
END = NOW_MS // HOUR * HOUR + 7 * MINUTE
"""Seven minutes into an hour, so that the last hour is in two buckets."""

_numbers = count()


def reply(pattern: str | None, ago: int, **columns: object) -> MailEvent:
    """Return a bounce of that many milliseconds ago."""
    number = next(_numbers)
    event = MailEvent(
        END - ago, "eu1", None, f"n{number}.001:bounced", Action.BOUNCED, Source.PLUGIN, Direction.OUTBOUND,
        queue_id=f"n{number}", seq="001", provider=Provider.GOOGLE, response_pattern=pattern, received_at=END,
    )  # fmt: skip
    return msgspec.structs.replace(event, **columns)


def shown(job: NewPatterns, metrics: Metrics, house: House, at: int = END) -> dict[tuple[str, str], float]:
    """Return the gauge by cluster and provider, after a run of the job."""
    job.run(house.connection, datetime.fromtimestamp(at / 1000, UTC), lambda: False)
    return {
        (sample.labels["mail_cluster"], sample.labels["provider"]): sample.value
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if sample.name == "duckwatch_mail_new_patterns"
    }


def expected(events: list[MailEvent], at: int = END) -> Counter[tuple[str, str]]:
    """Count the new ones among all events by hand."""
    replies = [
        ((one.cluster, one.provider or "none", one.response_pattern), one.time)
        for one in events
        if one.direction is Direction.OUTBOUND
        and one.action in {Action.BOUNCED, Action.DEFERRED}
        and one.response_pattern is not None
    ]
    seen = {key for key, time in replies if at - HOUR - 7 * DAY <= time < at - HOUR}
    return Counter(key[:2] for key, time in replies if time >= at - HOUR and key not in seen)


def test_a_new_pattern_appears_and_goes(house: House) -> None:
    """A pattern that its provider did not send in the week before counts for an hour, to the millisecond; then the
    gauge is 0.
    """
    events = [
        reply("550 new", 0), reply("550 new", MINUTE), reply("550 new", HOUR), reply(None, 0),
        reply("550 known", 0), reply("550 known", HOUR + 1),
        reply("550 old", 0), reply("550 old", HOUR + 7 * DAY),
        reply("550 older", 0), reply("550 older", HOUR + 7 * DAY + 1),
        reply("550 known", 0, provider=Provider.YAHOO), reply("550 known", 0, cluster="us1"),
        reply("450 none", 0, provider=None, action=Action.DEFERRED),
        reply("550 dsn", 0, direction=Direction.DSN), reply("550 delivered", 0, action=Action.DELIVERED),
    ]  # fmt: skip
    house.store.write(Batch(events))
    house.roll_up()
    metrics = Metrics()
    job = NewPatterns(metrics)
    found = shown(job, metrics, house)
    assert found == {("eu1", "google"): 4, ("eu1", "yahoo"): 1, ("us1", "google"): 1, ("eu1", "none"): 1}
    assert found == expected(events)
    assert shown(job, metrics, house, END + HOUR + 1) == dict.fromkeys(found, 0)


def test_the_gauge_is_the_count_of_the_events(house: House) -> None:
    """The gauge equals what the events add up to, also when the events are gone: the job reads the roll-up alone."""
    made = [*some(400, END - 2 * HOUR, END, seed=3), *some(100, END - 3 * DAY, END - 3 * DAY + HOUR, seed=4)]
    events = [msgspec.structs.replace(one, response_pattern=f"p{n * n % 211}") for n, one in enumerate(made)]
    house.store.write(Batch(events))
    house.roll_up()
    house.connection.execute("SET session_replication_role = replica")
    house.connection.execute("DELETE FROM mail_events")
    house.connection.execute("RESET session_replication_role")
    metrics = Metrics()
    found = shown(NewPatterns(metrics), metrics, house)
    assert +Counter(found) == expected(events)
    assert sum(found.values()) > 0


def test_there_is_no_value_before_the_week_is_rolled_up(house: House) -> None:
    """While an hour of the week waits to be built for the first time all replies would look new; one that is only built
    again is no reason to wait.
    """
    house.store.write(Batch([reply("550 known", 3 * DAY), reply("550 known", 0), reply("550 new", 0)]))
    house.roll_up()
    hour = datetime.fromtimestamp((END - 3 * DAY) // HOUR * HOUR / 1000, UTC)
    house.connection.execute("INSERT INTO stale_buckets VALUES ('outcomes_1h', %s)", (hour,))
    metrics = Metrics()
    assert shown(NewPatterns(metrics), metrics, house) == {("eu1", "google"): 1}
    metrics = Metrics()
    house.connection.execute("DELETE FROM pattern_stats_1h WHERE bucket = %s", (hour,))
    assert shown(NewPatterns(metrics), metrics, house) == {}
    house.roll_up(datetime.fromtimestamp(END / 1000, UTC))
    assert shown(NewPatterns(metrics), metrics, house) == {("eu1", "google"): 1}
