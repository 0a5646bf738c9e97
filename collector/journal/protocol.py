"""The interface `Journal`: the promises of every kind of journal.

One journal is open at a time. The event loop calls `append`, and the writer's thread calls `take` and `done`.
Any thread may read `state` and `trouble`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.events.model.batch import JournalEntry, Position
    from collector.events.model.event import Submission
    from collector.journal.state import JournalState


class Journal(Protocol):
    """A durable queue of submissions, in the order in which they became durable. Each stays from `append` to `done`."""

    async def append(self, submission: Submission) -> None:
        """Make a submission durable.

        When the call returns, the submission survives a crash of this process and of its machine, and `take` will
        return it. Raise `OverloadedError`, with a time for the retry, if the quota is reached, or if the storage
        refuses or does not answer. After an error the submission may or may not be in the journal: its sender sends it
        again. The call waits without blocking the loop, and not for ever. If its caller is cancelled, the journal has
        the whole submission or none of it.
        Submissions whose calls overlap may become durable together, in the order of the calls.
        """

    def take(self, *, max_bytes: int, wait_seconds: float, is_ahead: bool = False) -> Sequence[JournalEntry]:
        """Return the next submissions in order, at least one and about `max_bytes` together.
        Return [] if none comes within `wait_seconds`.

        A process gets each submission once, whole, and again after a restart unless it is `done`.
        If there are few, the call may wait for more (not with `wait_seconds` of 0). With `is_ahead` it returns [] if
        there are few, because that batch is not needed yet.
        The call blocks for up to `wait_seconds` and the time of a read. It raises nothing: a read that fails gives [],
        and shows in `trouble`.
        """

    def done(self, position: Position) -> None:
        """Remove every submission up to this position, which `take` has returned: the database has their events.

        The removal may be lost in a crash. The submissions then come again, and the database knows their events.
        The call does not block and raises nothing. A later call includes the earlier ones.
        """

    @property
    def state(self) -> JournalState:
        """The state for health, metrics and the log. It is cheap, because it reads no storage. Raises nothing."""

    @property
    def trouble(self) -> str | None:
        """Why the next `append` would fail: `stuck`, `failing` or `full`; None if it would not. Cheap."""

    def log_start(self) -> None:
        """Log the content of the journal when it was opened, and its faults. Neither blocks nor raises.

        The collector calls it once, when it starts to serve.
        """

    def close(self) -> bool:
        """Make waiting submissions durable, and end the threads. Block for a few seconds at most, raise nothing.

        Return False if the storage does not answer; it is then left as it is. `append` fails afterwards.
        """
