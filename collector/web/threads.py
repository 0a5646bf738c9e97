"""The threads that decode large bodies and render `/metrics`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from collector.waits import Waits

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

STUCK_SECONDS: Final = 10.0


class WebThreads(ThreadPoolExecutor):
    """An executor that notices work which does not end: `waits.trouble` is then `stuck`."""

    def __init__(self, count: int) -> None:
        super().__init__(count, "web")
        self.waits = Waits(STUCK_SECONDS)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401  # as the executor has it
        """Submit work, and time it until it is done."""
        key = self.waits.begin()
        try:
            future = super().submit(fn, *args, **kwargs)
        except BaseException:
            self.waits.end(key)
            raise
        future.add_done_callback(lambda _: self.waits.end(key))
        return future
