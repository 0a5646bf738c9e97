"""A server process of the demo: its start, its log, its end."""

from __future__ import annotations

import asyncio
import ctypes
import sys
from dataclasses import dataclass
from signal import SIGKILL, SIGTERM, Signals
from typing import TYPE_CHECKING

from duckwatch.demo.errors import DemoError, StoppedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

TAIL_LINES = 8
POLL_SECONDS = 0.05
FORCED_SECONDS = 6.0
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Account:
    """The account that a server runs as, which only root can choose. None means the demo's own account."""

    user: str | None = None
    group: int | None = None

    @property
    def others(self) -> list[str | int] | None:
        """The supplementary groups: none for another account, so that it does not inherit the demo's."""
        return None if self.user is None else []


OWN = Account()


class Child:
    """One server process.

    It runs in a session of its own, so that Ctrl-C in the terminal reaches only the demo, which stops its servers in
    order.
    """

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        log: Path,
        *,
        directory: Path,
        environment: Mapping[str, str],
        account: Account = OWN,
    ) -> None:
        self._name, self._words, self._log = name, words, log
        self._directory, self._environment, self._account = directory, environment, account
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process. Raise DemoError when the program cannot be run."""
        with self._log.open("ab") as log:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._words,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self._directory,
                    env=dict(self._environment),
                    start_new_session=True,
                    preexec_fn=_end_with_parent,  # safe: the demo has no other thread while it starts servers
                    user=self._account.user,
                    group=self._account.group,
                    extra_groups=self._account.others,
                )
            except OSError as error:
                raise DemoError(f"{self._name} cannot be started: {error}") from None

    async def wait_ready(
        self, answers: Callable[[], Awaitable[bool]], seconds: float, interrupted: asyncio.Event
    ) -> None:
        """Wait until the server answers. Raise DemoError with the log's last lines if it ends first
        or takes too long.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while not await answers():
            self.check()
            if interrupted.is_set():
                raise StoppedError
            if asyncio.get_running_loop().time() > deadline:
                raise self.failure(f"was not ready within {seconds:.0f} s")
            await asyncio.sleep(POLL_SECONDS)

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def check(self) -> None:
        """Raise DemoError with the log's last lines if the process has ended."""
        if self._process is not None and self._process.returncode is not None:
            raise self.failure(f"ended with code {self._process.returncode}")

    async def stop(self, gently: Signals, seconds: float, hurry: asyncio.Event, *, firmly: Signals = SIGKILL) -> None:
        """Stop the process by the signal `gently`, after `seconds` or `hurry` by `firmly`, and at last by SIGKILL."""
        process = self._process
        if process is None:
            return
        ended = asyncio.ensure_future(process.wait())
        hurried = asyncio.ensure_future(hurry.wait())
        try:
            for signal, patience in ((gently, seconds), (firmly, FORCED_SECONDS), (SIGKILL, None)):
                if process.returncode is not None:
                    break
                process.send_signal(signal)
                others = [] if signal is not gently else [hurried]
                await asyncio.wait([ended, *others], timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            await ended
        finally:
            hurried.cancel()

    def failure(self, what: str) -> DemoError:
        """Return the error that says what happened to the server, with its log's last lines."""
        lines = self._log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        tail = "; its log ends so:\n" + "\n".join(f"  {line}" for line in lines) if lines else ""
        return DemoError(f"{self._name} {what}{tail}")


def _end_with_parent() -> None:
    """Ask the kernel (Linux) to end the server when the demo is killed, so that no server is left running."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGTERM)
