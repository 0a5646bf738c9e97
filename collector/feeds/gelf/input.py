"""The GELF input: UDP and TCP, and which addresses may send."""

from __future__ import annotations

import asyncio
import ipaddress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from collector.events.sources.gelf import READERS
from collector.feeds.gelf.datagrams import Datagrams
from collector.feeds.gelf.frames import Frames
from collector.feeds.gelf.inbox import Inbox, MessageCounter
from duckwatch.base.config.addresses import unmapped
from duckwatch.base.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from collector.config.feeds import GelfSettings
    from collector.events.border.decoding import Border
    from collector.events.model.event import Submission
    from collector.events.sources.gelf_message import MessageReader
    from collector.metrics import Metrics
    from duckwatch.base.config.addresses import Network

KNOWN_SENDERS: Final = 4096


class GelfInput:
    """The GELF input. `start` listens; `stop` waits until the messages are on disk. `border` has the cluster of the
    settings. `Inbox` describes `submit`.
    """

    def __init__(
        self,
        settings: GelfSettings,
        *,
        border: Border,
        submit: Callable[[Submission], Awaitable[None]],
        clock_ms: Callable[[], int],
        metrics: Metrics,
        readers: Sequence[MessageReader] = READERS,
    ) -> None:
        tally = MessageCounter(metrics)
        admits = lru_cache(KNOWN_SENDERS)(partial(_is_in, settings.allow))
        inbox = partial(
            Inbox, border=border, submit=submit, clock_ms=clock_ms, metrics=metrics, tally=tally, readers=readers
        )
        self._settings = settings
        self._datagrams: Datagrams | None = None
        self._frames: Frames | None = None
        self._inboxes: list[Inbox] = []
        if settings.udp is not None:
            self._inboxes.append(inbox())
            self._datagrams = Datagrams(settings.udp, admits=admits, inbox=self._inboxes[-1], tally=tally)
        if settings.tcp is not None:
            self._frames = Frames(settings.tcp, admits=admits, tally=tally)
            self._inboxes.append(inbox(is_patient=True, on_room=self._frames.resume))

    async def start(self) -> tuple[int | None, int | None]:
        """Listen, and return the first bound port of UDP and of TCP. Raise StartError if an address cannot be bound."""
        udp, tcp = None, None
        try:
            if self._datagrams is not None:
                udp = self._datagrams.open()
        except OSError as error:
            raise StartError(f"collector.gelf.udp: cannot listen on {error.filename}: {error.strerror}") from None
        try:
            if self._frames is not None:
                tcp = await self._frames.open(self._inboxes[-1])
        except OSError as error:
            raise StartError(f"collector.gelf.tcp: cannot listen on {error.filename}: {error.strerror}") from None
        return udp, tcp

    async def stop(self, timeout_seconds: float) -> None:
        """Stop listening, and wait up to `timeout_seconds` until all messages are on disk."""
        if self._datagrams is not None:
            self._datagrams.close()
        if self._frames is not None:
            self._frames.close()
        await asyncio.gather(*[inbox.close(timeout_seconds) for inbox in self._inboxes])


def _is_in(networks: Sequence[Network], address: str) -> bool:
    """Return True if a network holds the address. Without networks the input listens on loopback only, and every
    address is admitted.

    A socket for both address families shows 10.0.0.5 as ::ffff:10.0.0.5; a network in either form admits it.
    """
    peer = ipaddress.ip_address(address.partition("%")[0])
    return not networks or any(unmapped(peer) in network or peer in network for network in networks)
