"""A server as a child process (its log, its health, its end), free ports, and waiting with a deadline."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_handed_out: set[int] = set()


def free_port() -> int:
    """Return a free TCP port of 127.0.0.1, never the same twice in one run."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _handed_out:
            _handed_out.add(port)
            return port


def listens(port: int) -> bool:
    """Return True when a server accepts connections on that port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def wait_until(
    condition: Callable[[], object], what: str | Callable[[], str], seconds: float = 30, every: float = 0.05
) -> None:
    """Poll until the condition is truthy. After `seconds`, raise an AssertionError that names `what` did not happen."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what if isinstance(what, str) else what()}")
        time.sleep(every)


def dies_with_us(argv: Sequence[str | Path]) -> list[str]:
    """Return the command, changed so that the kernel (Linux) ends it when the test run is killed."""
    prefix = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
    return [*prefix, *(str(word) for word in argv)]


def limited(open_files: int | None) -> list[str]:
    """Return the words before a command that set its soft and hard limit of open files."""
    return [] if open_files is None else ["sh", "-c", f'ulimit -n {open_files} && exec "$@"', "sh"]


def children(pid: int) -> dict[int, str]:
    """Return the direct children of a process: pid -> command line."""
    found = {}
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    for line in listing.splitlines():
        child, parent, args = line.split(None, 2)
        if int(parent) == pid:
            found[int(child)] = args
    return found


def is_running(pid: int) -> bool:
    """Return False once a process has ended, also while it is a zombie."""
    try:
        return (
            Path("/proc", str(pid), "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
            != "Z"
        )
    except OSError:
        return False


class Process:
    """A running child process. Its output is appended to `log`, which stays after its end."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                dies_with_us(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, None while it runs."""
        return self._child.poll()

    def log_tail(self, lines: int = 40) -> str:
        """Return the end of its log, for messages."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_ready(self, ready: Callable[[], object], seconds: float = 30) -> None:
        """Poll until `ready` is truthy. If the process exits or the time is over, raise an
        AssertionError with its log.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if self.returncode is not None:
                raise AssertionError(f"{self.name} exited with {self.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} was not ready after {seconds} s:\n{self.log_tail()}")
            time.sleep(0.05)

    def send(self, number: Signals) -> None:
        """Send a signal, unless the process has ended."""
        self._child.send_signal(number)

    def wait(self, seconds: float = 30) -> int:
        """Wait for its end. Return the exit code (negative: the signal). Raise AssertionError when it does not end."""
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {seconds} s:\n{self.log_tail()}") from None

    def stop(self, number: Signals = SIGTERM, seconds: float = 30) -> int:
        """Send the signal, wait, and kill the process when it does not end. Return the exit code."""
        self.send(number)
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """Kill this process by SIGKILL, but not its children."""
        self.send(SIGKILL)
        return self._child.wait(10)
