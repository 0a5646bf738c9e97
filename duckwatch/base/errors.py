"""Errors that every program raises on purpose: a wrong configuration, and a start that is not possible."""

from __future__ import annotations

from dataclasses import dataclass


class DuckwatchError(Exception):
    """Root of every error that a program raises on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake in the configuration: the dotted key, and what would be right. Neither quotes a value.

    `is_unknown`: the last part of `key` is not a key of ours, but whatever was written in its place.
    """

    key: str
    problem: str
    is_unknown: bool = False

    @property
    def place(self) -> str:
        """The part of the key that is ours, for a log: a secret may have been written where a key belongs."""
        return self.key.rpartition(".")[0] if self.is_unknown else self.key


class ConfigError(DuckwatchError):
    """The configuration cannot be used. Carries every fault found, not only the first. Exit code 2."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("\n".join(f"{fault.key}: {fault.problem}" for fault in faults))


class StartError(DuckwatchError):
    """The program cannot start (a port, a file, another program's tables): its text says what to change.

    Exit code 1.
    """
