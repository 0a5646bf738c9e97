"""The error tree: who answers each failure, and how.

Three answers exist. A *configuration* fault ends the program with exit code 2 and every fault named. A *request* fault
becomes an HTTP status (docs/architecture.md, "Answers").
A *store* fault is either "come back later" (`StoreUnavailable`: the batch is retried whole) or "never again" (`BadRow`:
the batch is split down to the bad row, which is quarantined).
"""

from __future__ import annotations

from duckwatch.base.errors import DuckwatchError


class WriterFailedError(DuckwatchError):
    """The writer ended on a fault of ours. The program ends with exit code 1, so that it is started again."""


class RequestError(DuckwatchError):
    """A request that is answered with `status`; `retry_after` in whole seconds where the sender should come back."""

    status = 400

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class UnreadableError(RequestError):
    """Nothing in the body can be read as events."""

    status = 400


class MangledError(UnreadableError):
    """The body is not what its sender wrote: it was cut or recoded on its way. Says nothing of the events."""


class UnauthorizedError(RequestError):
    """No credentials, or wrong ones."""

    status = 401


class TooSlowError(RequestError):
    """The body did not come within its time."""

    status = 408


class TooLargeError(RequestError):
    """The body, or what it inflates to, or the number of its parts, is over the limit."""

    status = 413


class UnsupportedError(RequestError):
    """A content encoding that is not taken."""

    status = 415


class UnexpectedError(RequestError):
    """The client expects something else than `100-continue`."""

    status = 417


class RateLimitedError(RequestError):
    """The token's events per second are used up."""

    status = 429


class OverloadedError(RequestError):
    """The journal is at its quota or cannot write, or too many bytes are in flight."""

    status = 503


class StoreError(DuckwatchError):
    """The database did not take a write."""


class StoreUnavailableError(StoreError):
    """Come back later, with the whole batch. `kind` is the bounded label of `duckwatch_store_errors_total`;
    `sqlstate` is the database's code, None where it gave none (no connection, a connection that broke).
    """

    def __init__(self, kind: str, message: str, sqlstate: str | None = None) -> None:
        self.kind, self.sqlstate = kind, sqlstate
        super().__init__(message)

    @property
    def word(self) -> str:
        """The kind with the SQLSTATE: `permission (42501)`. For people: log, /readyz, `doctor`."""
        return self.kind if self.sqlstate is None else f"{self.kind} ({self.sqlstate})"


class BadRowError(StoreError):
    """Never again: SQLSTATE class 22, 23 or 54. Some row of the batch is at fault."""

    def __init__(self, sqlstate: str, message: str) -> None:
        self.sqlstate = sqlstate
        super().__init__(message)
