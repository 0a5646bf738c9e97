"""The error tree, and the answer to each kind of failure.

A *configuration* error ends the program with exit code 2 and names every fault. A *request* error becomes an HTTP
status (docs/architecture.md, "Answers"). A *store* error is temporary or permanent. After a temporary one
(`StoreUnavailableError`) the whole batch is retried. After a permanent one (`BadRowError`) the batch is split until
the bad row is found, which becomes a dead letter.
"""

from __future__ import annotations

from duckwatch.base.errors import DuckwatchError


class WriterFailedError(DuckwatchError):
    """The writer ended on a fault of ours. The program ends with exit code 1, so that it is restarted."""


class RequestError(DuckwatchError):
    """A request that is answered with `status`. `retry_after` is whole seconds, or None if a retry does not help."""

    status = 400

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class UnreadableError(RequestError):
    """Nothing in the body can be read as events."""

    status = 400


class MangledError(UnreadableError):
    """The body was cut or recoded on its way. The events themselves may be good."""


class UnauthorizedError(RequestError):
    """No credentials, or wrong ones."""

    status = 401


class TooSlowError(RequestError):
    """The body did not arrive within the time limit."""

    status = 408


class TooLargeError(RequestError):
    """The body, its inflated size, or the number of its parts is over the limit."""

    status = 413


class UnsupportedError(RequestError):
    """The content encoding is not supported."""

    status = 415


class UnexpectedError(RequestError):
    """The header `Expect` is not `100-continue`."""

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
    """A temporary failure: the whole batch is retried later.

    `kind` is the bounded label of `duckwatch_store_errors_total`. `sqlstate` is the database's code, or None if it
    gave none (no connection, or a broken one).
    """

    def __init__(self, kind: str, message: str, sqlstate: str | None = None) -> None:
        self.kind, self.sqlstate = kind, sqlstate
        super().__init__(message)

    @property
    def word(self) -> str:
        """The kind with the SQLSTATE, for people (log, `/readyz`, `doctor`): `permission (42501)`."""
        return self.kind if self.sqlstate is None else f"{self.kind} ({self.sqlstate})"


class BadRowError(StoreError):
    """A permanent failure (SQLSTATE class 22, 23 or 54): at least one row of the batch is bad."""

    def __init__(self, sqlstate: str, message: str) -> None:
        self.sqlstate = sqlstate
        super().__init__(message)


class UntranslatableError(BadRowError):
    """The encoding of the database is not UTF8, and lacks characters of the batch: `lacking`."""

    def __init__(self, sqlstate: str, message: str, lacking: frozenset[str]) -> None:
        self.lacking = lacking
        super().__init__(sqlstate, message)
