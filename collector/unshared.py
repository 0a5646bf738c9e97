"""Starts a single helper process without semaphores.

A semaphore of multiprocessing is a file in /dev/shm. Hardened containers mount that read-only, or do not have it,
and then `ProcessPoolExecutor` cannot even be built. An executor with one process has one writer and one reader at each
of its pipes, so nothing has to be locked.
"""

from __future__ import annotations

from multiprocessing.context import SpawnContext
from typing import Any


class OneProcessContext(SpawnContext):
    """Starts processes by spawn, for a `ProcessPoolExecutor(1)`. Not for more processes, because its locks do not
    lock.
    """

    def Lock(self) -> Any:  # noqa: ANN401, N802 - multiprocessing's own
        """Return a lock that is always free."""
        return _Free()

    def BoundedSemaphore(self, value: int = 1) -> Any:  # noqa: ANN401, N802 - multiprocessing's own
        """Return a semaphore that is always free: the executor's queue is never full."""
        del value
        return _Free()


class _Free:
    """A lock that is always free. `multiprocessing.queues.Queue.full` reads `_semlock`."""

    @property
    def _semlock(self) -> _Free:
        return self

    def _is_zero(self) -> bool:
        return False

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:  # noqa: FBT001, FBT002 - as threading has it
        """Return at once."""
        del block, timeout
        return True

    def release(self) -> None:
        """Do nothing."""

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_: object) -> None:
        return
