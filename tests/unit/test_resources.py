"""Shortages of descriptors, threads or memory are named and waited for, and never end a program."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collector.enduring import FallbackAssembler
from collector.pipeline.batch import assemble
from duckwatch.base import resources
from duckwatch.base.resources import REPORTED_SECONDS, Shortages, connections_allowed, shortage_of
from tests.unit.test_assembly import request, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (OSError(errno.EMFILE, "x"), "descriptors"),
        (OSError(errno.ENFILE, "x"), "descriptors"),
        (BlockingIOError(errno.EAGAIN, "x"), "threads"),
        (OSError(errno.ENOMEM, "x"), "memory"),
        (MemoryError(), "memory"),
        (RuntimeError("can't start new thread"), "threads"),
        (OSError(errno.ENOSPC, "x"), "disk"),
        (OSError(errno.ECONNRESET, "x"), None),
        (OSError(), None),
        (RuntimeError("x"), None),
        (ValueError(), None),
    ],
)
def test_a_shortage_is_known_by_its_error(error: Exception, word: str | None) -> None:
    """A shortage is recognised by the error's errno or type."""
    assert shortage_of(error) == word


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], list[tuple[int, int]]]:
    """Simulate other limits of open files, and record changes."""

    def give(soft: int, hard: int) -> list[tuple[int, int]]:
        changes: list[tuple[int, int]] = []
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda _, pair: changes.append(pair))
        monkeypatch.setattr(resources, "open_descriptors", lambda: 10)
        return changes

    return give


@pytest.mark.parametrize(
    ("soft", "hard", "allowed", "raised_to"),
    [
        (1024, 4096, 1000, 1126),
        (1024, resource.RLIM_INFINITY, 1000, 1126),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 1000, None),
        (65_536, 65_536, 1000, None),
        (1024, 1024, 898, None),
        (256, 1024, 898, 1024),
        (256, 256, 130, None),
        (64, 64, 8, None),
    ],
)
def test_the_limit_is_raised_where_that_is_allowed_and_connections_are_bounded_where_not(
    limits: Callable[[int, int], list[tuple[int, int]]], soft: int, hard: int, allowed: int, raised_to: int | None
) -> None:
    """The limit is raised if allowed, else connections are limited; 10 open, 100 needed and 16 spare are left out."""
    changes = limits(soft, hard)
    assert connections_allowed(1000, others=100) == allowed
    assert [pair for pair in changes if pair[0] != soft] == ([] if raised_to is None else [(raised_to, hard)])


@pytest.fixture
def crowded() -> Iterator[Callable[[], None]]:
    """Open every descriptor that the limit leaves, and close them at the end."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened: list[int] = []

    def fill() -> None:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (max(int(one.name) for one in Path("/proc/self/fd").iterdir()) + 64, before[1])
        )
        while True:
            try:
                opened.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                return

    yield fill
    for one in opened:
        os.close(one)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_spare_descriptors_are_given_up_when_no_other_is_left(crowded: Callable[[], None]) -> None:
    """Without free descriptors the spare ones and some connections are closed, and the shortage is
    named for a while.
    """
    now, words, room = [0.0], list[str](), list[int]()
    shortages = Shortages(words.append, lambda: room.append(1), clock=lambda: now[0])
    shortages.look()
    assert (shortages.trouble, len(shortages._spare)) == (None, resources.SPARE)
    crowded()
    shortages.look()
    with pytest.raises(OSError, match="open files"):
        os.open(os.devnull, os.O_RDONLY)
    shortages.give_up()
    assert (shortages.trouble, words, room) == ("descriptors", ["descriptors"], [1])
    os.close(os.open(os.devnull, os.O_RDONLY))
    now[0] += REPORTED_SECONDS + 1
    assert shortages.trouble is None
    shortages.close()


def test_what_the_assembler_cannot_build_is_built_without_it() -> None:
    """A batch that the assembler cannot build for want of resources is built in this process."""
    asked = request(1)
    wanted = assemble([asked], {})

    def cannot_begin(rows: object) -> object:
        raise OSError(errno.EMFILE, "x")

    def cannot_finish(rows: object) -> object:
        def fail() -> object:
            raise MemoryError

        return fail

    for failing in (cannot_begin, cannot_finish):
        assert FallbackAssembler(failing, {})(rows(asked))() == wanted  # type: ignore[arg-type]
