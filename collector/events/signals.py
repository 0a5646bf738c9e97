"""The providers' own codes: a closed table of what each says in its replies and what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collector.events.model import Provider, Reason


class Signal(NamedTuple):
    """A provider's code. `page` documents it by name."""

    code: str
    provider: Provider
    reason: Reason
    meaning: str
    page: str


SIGNALS: tuple[Signal, ...] = ()


def signal_of(reply: str, enhanced_code: str | None, provider: Provider | None) -> Signal | None:
    """The provider's own code in its reply, if the table has it."""
    del reply, enhanced_code, provider
    return None
