"""The journal as its users see it: what every kind of journal has to promise.

One is open at a time.
The event loop calls `append`; the writer's thread calls `take` and `done`; any thread asks for `state` and `trouble`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.events.model.batch import JournalEntry, Position
    from collector.events.model.event import Submission
    from collector.journal.state import JournalState


class Journal(Protocol):
    """A durable queue of requests, in the order in which they became durable: each from its `append` to its `done`."""

    async def append(self, submission: Submission) -> None:
        """Make a request durable.

        Returning promises that the request outlives a crash of this process and of its machine, and that `take` will
        return it. Raises `OverloadedError`, with a time to come back, when the quota is reached, the storage refuses,
        or it does not answer: nobody waits without an end.
        After an error the request is not in the journal, or nobody knows: its sender sends it again.
        Waits, and does not block the loop. A caller that is cancelled leaves its whole request, or nothing of it.
        Requests whose calls overlap may become durable together, in the order of the calls.
        """

    def take(self, *, max_bytes: int, wait_seconds: float, is_ahead: bool = False) -> Sequence[JournalEntry]:
        """Return the next requests in order, about `max_bytes` in all and at least one;
        [] without any in `wait_seconds`.

        Each request is returned once a process, whole, and again after a restart unless it is `done`.
        Where there are few, it may let more of them gather (not with `wait_seconds` of 0).
        [] when the batch `is_ahead` and there are few: such a batch can wait.
        Blocks for `wait_seconds` and the time of a read.
        Raises nothing: what cannot be read now is [] and shows in `trouble`.
        """

    def done(self, position: Position) -> None:
        """Forget every request up to this position, which `take` has returned: they are committed in the database.

        Returning promises nothing: they may come again after a crash, and the database then knows them.
        Does not block, raises nothing. A later call includes the earlier ones.
        """

    @property
    def state(self) -> JournalState:
        """A snapshot for health, metrics and the log. Cheap: it asks no storage. Raises nothing."""

    @property
    def trouble(self) -> str | None:
        """Why the next request would not be taken: `stuck`, `failing` or `full`; None when it would. Cheap."""

    def log_start(self) -> None:
        """Log what it held when it was opened, and what was wrong with it. Neither blocks nor raises.

        Called once, when the collector serves.
        """

    def close(self) -> bool:
        """Make durable what waits, and end the threads. Blocks for some seconds at most, raises nothing.

        Return False when the storage does not answer: then it is left as it is. No `append` is taken afterwards.
        """
