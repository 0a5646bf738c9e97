"""The errors that all programs share: a wrong configuration, and a start that fails."""

from __future__ import annotations

from dataclasses import dataclass


class DuckwatchError(Exception):
    """Base class of every error that a program raises on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake in the configuration: the dotted key, and what would be right. Neither quotes a value.

    `is_unknown`: the last part of `key` is not a known key, but a text that the operator wrote in its place.
    """

    key: str
    problem: str
    is_unknown: bool = False

    @property
    def place(self) -> str:
        """The known part of the key, for a log: an operator may have written a secret in place of a key."""
        return self.key.rpartition(".")[0] if self.is_unknown else self.key


class ConfigError(DuckwatchError):
    """The configuration cannot be used. It carries every fault, not only the first. Exit code 2."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("\n".join(f"{fault.key}: {fault.problem}" for fault in faults))


class StartError(DuckwatchError):
    """The program cannot start (a port, a file, another program's tables). The text says what to change.

    Exit code 1.
    """
