"""The promises of every kind of journal: durable when acknowledged, in order, each request once, limited in size.

`KINDS` holds the settings of each. The behaviour of one kind only has its own file (`test_journal_sqlite.py`).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Final

import pytest
from pydantic import TypeAdapter

from collector.config.model import JournalSettings
from collector.errors import OverloadedError
from collector.events.model.event import Group, Source, Submission
from collector.journal.age import OldestAge
from collector.journal.codec import decode_entry
from collector.journal.kinds import KINDS as REGISTERED
from collector.journal.kinds import open_journal
from collector.metrics import Metrics
from collector.metrics.journal import show_journal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from collector.events.model.batch import JournalEntry
    from collector.journal.protocol import Journal

LIMIT = 1 << 30

MUCH_BYTES = 8 << 20
"""More bytes than a journal keeps in memory."""

KINDS: Final[Mapping[str, Callable[[Path], dict[str, Any]]]] = {
    "sqlite": lambda folder: {"path": str(folder / "journal")}
}
"""The settings of each kind of journal for a test, by the `kind` of its settings."""


def opened(settings: str) -> Journal:
    """Open the journal of these settings (JSON), as `serve` does."""
    return open_journal(TypeAdapter(JournalSettings).validate_json(settings))


class Place:
    """The storage of a journal of one kind, which a test can close and open again."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self._settings = KINDS[kind](folder)

    def settings(self, limit_bytes: int = LIMIT) -> str:
        """Return the settings as JSON."""
        return json.dumps({**self._settings, "max_bytes": limit_bytes})

    def open(self, limit_bytes: int = LIMIT) -> Journal:
        """Open the journal as `serve` does."""
        return opened(self.settings(limit_bytes))


@pytest.fixture(params=list(KINDS))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Return an empty journal of each kind in turn."""
    return Place(request.param, tmp_path)


def request(n: int, size: int = 10) -> Submission:
    """Return a request that carries its name."""
    return Submission(
        f"r{n}", 1000 + n, Source.PLUGIN, [Group("c", None, None, ("pad",), [[0, n, None, "x" * size]])], []
    )


def taken_ids(journal: Journal, *, until: int) -> list[str]:
    """Take requests until `count` came."""
    found: list[str] = []
    while len(found) < until:
        got = journal.take(max_bytes=1 << 20, wait_seconds=5)
        assert got, f"only {len(found)} of {until} came"
        found += [decode_entry(row).request_id for row in got]
    return found


def trouble(journal: Journal) -> str | None:
    """Return the trouble. A function, because mypy would remember the property's last value."""
    assert journal.trouble == journal.state.trouble
    return journal.trouble


async def emptied(journal: Journal) -> None:
    """Return once the journal is empty."""
    async with asyncio.timeout(20):
        while journal.state.requests:  # noqa: ASYNC110  # the journal has no event for it, nobody else waits for that
            await asyncio.sleep(0.01)


def test_every_kind_is_tested(tmp_path: Path) -> None:
    """A kind that can be configured is held by the tests of this file, and is found by its keys."""
    assert set(KINDS) == set(REGISTERED)
    for kind, keys in KINDS.items():
        assert TypeAdapter(JournalSettings).validate_python(keys(tmp_path)).kind == kind


async def test_a_position_is_handed_back_as_it_came_also_from_another_process(place: Place) -> None:
    """A position that was copied to another process and back marks its request and all earlier ones as done."""
    journal = place.open()
    for n in range(5):
        await journal.append(request(n))
    rows: list[JournalEntry] = []
    while len(rows) < 5:
        rows += journal.take(max_bytes=1, wait_seconds=5)
    journal.done(pickle.loads(pickle.dumps(rows[2].position)))
    assert journal.close()
    again = place.open()
    assert again.state.requests == 2
    assert again.state.oldest_received_at == 1003
    assert taken_ids(again, until=2) == ["r3", "r4"]
    assert again.take(max_bytes=1, wait_seconds=0) == []
    assert again.close()


async def test_after_the_end_nothing_is_taken_and_nobody_waits(place: Place) -> None:
    """After the close no request is accepted or awaited, and earlier ones are there at the next start."""
    journal = place.open()
    await journal.append(request(0))
    assert journal.close()
    with pytest.raises(OverloadedError) as refused:
        await asyncio.wait_for(journal.append(request(1)), 5)
    assert refused.value.retry_after
    again = place.open()
    assert taken_ids(again, until=1) == ["r0"]
    assert again.close()


async def test_few_requests_are_not_taken_ahead_and_a_large_one_comes_whole(place: Place) -> None:
    """Few requests are not taken ahead, because a batch may wait for more; `max_bytes` splits no request."""
    journal = place.open()
    await journal.append(request(0))
    assert journal.take(max_bytes=1 << 20, wait_seconds=0, is_ahead=True) == []
    await journal.append(request(1, 1 << 20))
    assert taken_ids(journal, until=2) == ["r0", "r1"]
    assert journal.close()


async def test_requests_come_out_in_the_order_in_which_they_went_in(place: Place) -> None:
    """Requests come out in the order of their arrival, also concurrent ones."""
    journal = place.open()
    await asyncio.gather(*(journal.append(request(n)) for n in range(500)))
    assert taken_ids(journal, until=500) == [f"r{n}" for n in range(500)]
    assert journal.take(max_bytes=1, wait_seconds=0) == []
    journal.close()


async def test_what_is_not_done_comes_again_after_a_restart(place: Place) -> None:
    """Requests that are not done come again after a restart, once and in order, before new ones."""
    journal = place.open()
    for n in range(10):
        await journal.append(request(n))
    first = journal.take(max_bytes=100, wait_seconds=1)
    journal.done(first[-1].position)
    journal.close()
    again = place.open()
    await again.append(request(10))
    left = [f"r{n}" for n in range(len(first), 11)]
    assert taken_ids(again, until=len(left)) == left
    again.close()


async def test_more_than_memory_holds_is_read_back_from_the_file_in_order(place: Place) -> None:
    """After a long outage the writer gets every request once and in order, also those that arrive meanwhile."""
    journal = place.open()
    big = MUCH_BYTES // 20
    for n in range(50):
        await journal.append(request(n, big))
    found = taken_ids(journal, until=30)
    for n in range(50, 60):
        await journal.append(request(n, big))
    found += taken_ids(journal, until=60 - len(found))
    await journal.append(request(60))
    found += taken_ids(journal, until=1)
    assert found == [f"r{n}" for n in range(61)]
    journal.close()


async def test_the_quota_refuses_and_frees_with_done(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Over the quota a request is refused with a time to retry, and done requests free room; both are logged."""
    journal = place.open(1 << 20)
    answers = await asyncio.gather(*(journal.append(request(n, 50_000)) for n in range(30)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, OverloadedError)]
    assert all(answer.retry_after for answer in refused)
    assert 9 <= len(refused) <= 15
    assert journal.state.requests == 30 - len(refused)
    assert trouble(journal) == "full"  # though a small request would still fit
    while got := journal.take(max_bytes=1 << 20, wait_seconds=0):
        journal.done(got[-1].position)
    await emptied(journal)
    assert journal.state.oldest_received_at is None
    assert trouble(journal) is None
    await journal.append(request(99, 50_000))
    assert [line.split(":")[0] for line in caplog.messages] == ["the journal is full", "the journal has room again"]
    journal.close()


async def test_a_client_that_goes_away_does_not_disturb_the_others(place: Place) -> None:
    """A client that leaves does not disturb the commit of the others' requests."""
    journal = place.open()
    gone = asyncio.create_task(journal.append(request(0)))
    stays = asyncio.create_task(journal.append(request(1)))
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    assert taken_ids(journal, until=2) == ["r0", "r1"]
    journal.close()


KILLED = """
    import asyncio, sys
    from collector.events.model.event import Group, Source, Submission
    from tests.unit.test_journal import opened

    async def main():
        journal = opened(sys.argv[1])
        n = 0
        async def one(n):
            await journal.append(Submission(f"r{n}", n, Source.PLUGIN, [Group("c", None, None, (), [[0, n, None]])], []))
            print(n, flush=True)
        while True:
            await asyncio.gather(*(one(n + k) for k in range(20)))
            n += 20

    asyncio.run(main())
"""  # noqa: E501 - the line of a program in a string


def test_kill_9_loses_nothing_that_was_acknowledged(place: Place, tmp_path: Path) -> None:
    """After a kill -9 every request that the process acknowledged is in the file."""
    for round_number in range(3):
        folder = tmp_path / str(round_number)
        folder.mkdir()
        there = Place(place.kind, folder)
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(KILLED), there.settings()], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(100 + 57 * round_number)]
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += [int(text) for text in process.stdout.read().splitlines() if text.isdigit()]
        process.wait()
        process.stdout.close()
        journal = there.open()
        found = set[int]()
        while rows := journal.take(max_bytes=LIMIT, wait_seconds=0):
            found.update(row.received_at for row in rows)
        assert set(acknowledged) <= found
        assert journal.close()


async def test_the_gauges_follow_the_journal(place: Place) -> None:
    """Requests and bytes grow with each request and fall once it is done; the limit is the configured one."""
    journal, metrics = place.open(), Metrics()
    show_journal(metrics, LIMIT, lambda: journal.state, OldestAge(lambda: journal.state.oldest_received_at))
    ask = metrics.registry.get_sample_value
    assert ask("duckwatch_journal_limit_bytes") == LIMIT
    assert ask("duckwatch_journal_oldest_age_seconds") == 0
    bytes_of = [ask("duckwatch_journal_bytes") or 0]
    pads = [os.urandom(50_000).hex() for _ in range(3)]  # the journal may compress a request
    for n in range(3):
        made = Submission(f"r{n}", 1000, Source.PLUGIN, [Group("c", None, None, ("pad",), [[0, n, None, pads[n]]])], [])
        await journal.append(made)
        assert ask("duckwatch_journal_requests") == n + 1
        bytes_of.append(ask("duckwatch_journal_bytes") or 0)
    assert all(later >= before + 50_000 for before, later in itertools.pairwise(bytes_of))
    now, age = time.time(), ask("duckwatch_journal_oldest_age_seconds")
    assert age is not None
    assert now - 1 <= age <= time.time() - 1, "the receipt is the first second of 1970"
    rows: list[JournalEntry] = []
    while len(rows) < 3:
        rows += journal.take(max_bytes=1 << 20, wait_seconds=5)
    journal.done(rows[-1].position)
    await emptied(journal)
    assert ask("duckwatch_journal_requests") == 0
    assert (ask("duckwatch_journal_bytes") or 0) < bytes_of[1]
    assert ask("duckwatch_journal_oldest_age_seconds") == 0
    assert journal.close()
