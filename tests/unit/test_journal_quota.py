"""A used-up disk quota (EDQUOT) of the journal's user: treated as a full disk, and named."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from collector.errors import OverloadedError
from collector.journal.sqlite.journal import SqliteJournal
from tests.servers.process import wait_until
from tests.unit.test_journal import LIMIT, emptied, request, taken_ids, trouble

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_quota_that_is_used_up_is_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With a used-up quota senders get 503, stored requests are deleted, and a larger quota ends it."""

    def used_up(*_: object) -> int:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    journal = SqliteJournal(tmp_path / "journal", LIMIT)
    for n in range(5):
        await journal.append(request(n, 10_000))
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", used_up)
        with pytest.raises(OverloadedError):
            await journal.append(request(5, 8_000_000))
        assert trouble(journal) == "failing"
        assert [record.fields for record in caplog.records if record.levelname == "ERROR"] == [{"error": "EDQUOT"}]  # type: ignore[attr-defined]
        first, *_, last = journal.take(max_bytes=1 << 20, wait_seconds=1)
        journal.done(first.position)
        wait_until(lambda: journal.state.requests == 4, "one is deleted")
        journal.done(last.position)
        await emptied(journal)
    await journal.append(request(6, 8_000_000))
    assert taken_ids(journal, until=1) == ["r6"]
    assert trouble(journal) is None
    assert journal.close()
