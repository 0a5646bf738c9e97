"""The error tree: a *configuration* fault ends the program with exit code 2 and every fault named (or, while it runs, leaves the old
configuration in place); a *start* fault ends it with exit code 1. What goes wrong while asking is not an error but a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass


class ExporterError(Exception):
    """Root of every error that the exporter raises on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake in the configuration: the dotted key, and what would be right. Holds no value that could be a secret."""

    key: str
    problem: str


class ConfigError(ExporterError):
    """The configuration cannot be used. Carries every fault found, not only the first."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("\n".join(f"{fault.key}: {fault.problem}" for fault in faults))


class StartError(ExporterError):
    """The exporter cannot start (its port, its state file): the message says what to change."""
