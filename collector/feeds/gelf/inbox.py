"""From messages to the journal: the messages that arrive while one submission is stored form the next one."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from collector.errors import OverloadedError
from collector.events.border.decoding import take
from collector.events.border.request_body import Body
from collector.events.model.event import Source
from collector.events.sources.gelf import READERS, item_of
from collector.feeds.gelf.payload import MessageResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from collector.events.border.decoding import Border
    from collector.events.model.event import Submission
    from collector.events.sources.gelf_message import MessageReader
    from collector.feeds.gelf.payload import DecodedMessage
    from collector.metrics import Metrics

MAX_WAITING_BYTES: Final = 16 << 20
MAX_REQUEST_MESSAGES: Final = 1000

_log = logging.getLogger(__name__)


class MessageCounter:
    """Counts messages by `MessageResult`."""

    def __init__(self, metrics: Metrics) -> None:
        self._counters = {result: metrics.gelf_messages.labels(result) for result in MessageResult}

    def __call__(self, result: MessageResult, messages: int = 1) -> None:
        """Count messages."""
        self._counters[result].inc(messages)


class Inbox:
    """The messages of one input (UDP or TCP) until they are on disk. `submit` returns once a submission is on disk,
    or raises OverloadedError.

    A UDP sender cannot be asked to retry. Its messages are dropped and counted when `submit` fails or the inbox is
    full. With `is_patient` messages are kept and submitted again. The caller then stops its senders while `is_full`,
    and lets them continue when `on_room` is called.
    """

    def __init__(
        self,
        *,
        border: Border,
        submit: Callable[[Submission], Awaitable[None]],
        clock_ms: Callable[[], int],
        metrics: Metrics,
        tally: MessageCounter,
        readers: Sequence[MessageReader] = READERS,
        is_patient: bool = False,
        on_room: Callable[[], None] = lambda: None,
    ) -> None:
        self._border, self._submit, self._clock_ms, self._metrics = border, submit, clock_ms, metrics
        self._tally, self._readers, self._is_patient, self._on_room = tally, readers, is_patient, on_room
        self._waiting: list[tuple[dict[str, Any], int, bool]] = []
        self._waiting_bytes = 0
        self._under_way = 0  # messages of the request that is being stored
        self._flushing: asyncio.Task[None] | None = None

    @property
    def is_full(self) -> bool:
        """True while the waiting messages are over the limit."""
        return self._waiting_bytes >= MAX_WAITING_BYTES

    def put(self, read: DecodedMessage | MessageResult) -> None:
        """Take a message, or count a failure."""
        if isinstance(read, MessageResult):
            self._tally(read)
            return
        item = item_of(read.message, self._clock_ms(), self._readers)
        if item is None:
            self._tally(MessageResult.IGNORED)
        elif self.is_full and not self._is_patient:
            self._tally(MessageResult.OVERLOADED)
        else:
            self._waiting.append((item, read.size, read.is_clean))
            self._waiting_bytes += read.size
            if self._flushing is None:
                # The task begins after this turn of the loop, so that the turn's messages form one submission.
                self._flushing = asyncio.create_task(self._flush())

    async def close(self, timeout_seconds: float) -> None:
        """Wait up to `timeout_seconds` until all messages are on disk. Count the others as dropped."""
        if self._flushing is not None:
            await asyncio.wait([self._flushing], timeout=timeout_seconds)
            if self._flushing is not None:
                self._flushing.cancel()
                self._tally(MessageResult.OVERLOADED, len(self._waiting) + self._under_way)
                self._waiting.clear()

    async def _flush(self) -> None:
        try:
            while self._waiting:
                taken = self._waiting[:MAX_REQUEST_MESSAGES]
                del self._waiting[:MAX_REQUEST_MESSAGES]
                self._under_way = len(taken)
                read = Body([item for item, _, _ in taken], {}, all(is_clean for _, _, is_clean in taken))
                await self._store(read)
                self._under_way = 0
                self._waiting_bytes -= sum(size for _, size, _ in taken)
                if not self.is_full:
                    self._on_room()
        finally:
            self._flushing = None

    async def _store(self, read: Body) -> None:
        try:
            submission = take(read, received_at=self._clock_ms(), source=Source.GELF, border=self._border)
            await self._insist(submission)
        except OverloadedError:
            self._tally(MessageResult.OVERLOADED, len(read.items))
        except Exception:  # noqa: BLE001 - a fault of ours must not end the input
            _log.exception("GELF messages were lost because of an error in the collector")
            self._tally(MessageResult.UNREADABLE, len(read.items))
        else:
            self._count(submission, len(read.items))

    async def _insist(self, submission: Submission) -> None:
        while True:
            try:
                await self._submit(submission)
            except OverloadedError as error:
                if not self._is_patient:
                    raise
                await asyncio.sleep(error.retry_after or 1)
            else:
                return

    def _count(self, submission: Submission, messages: int) -> None:
        self._tally(MessageResult.TAKEN, messages)
        self._metrics.ingest_events.labels(Source.GELF).inc(submission.count)
        for rejection in submission.rejections:
            self._metrics.ingest_rejected.labels(Source.GELF, rejection.reason).inc()
