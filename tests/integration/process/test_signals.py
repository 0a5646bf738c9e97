"""Signals during a program's start: a reload right after the start, and a stop before it serves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.process import free_port, listens, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
PROGRAMS: dict[str, list[str | Path]] = {
    "collector": [BIN / "duckwatch-collector"],
    "collector as a module": [sys.executable, "-m", "collector"],
    "exporter": [BIN / "duckwatch-dnsbl"],
    "exporter as a module": [sys.executable, "-m", "exporters.dnsbl"],
}


def settings(name: str, port: int, folder: Path) -> dict[str, str]:
    """Return the environment of a program that will listen on `port`, and needs no other server."""
    section = "COLLECTOR" if name.startswith("collector") else "DNSBL"
    theirs = {key: value for key, value in os.environ.items() if not key.startswith(("DUCKWATCH_", "OTEL_"))}
    return {
        **theirs,
        f"DUCKWATCH_{section}__LISTEN": f"127.0.0.1:{port}",
        "DUCKWATCH_COLLECTOR__JOURNAL__PATH": str(folder / "journal"),
        "DUCKWATCH_COLLECTOR__DATABASE__DSN": "postgresql://nobody@127.0.0.1:9/nowhere",
        "DUCKWATCH_DNSBL__RESOLVERS": '["127.0.0.1:9"]',
        "DUCKWATCH_DNSBL__LISTS": '["bl.example"]',
    }


class StartedProgram:
    """A program that was just started and will listen on `port`."""

    def __init__(self, name: str, folder: Path) -> None:
        self.port = free_port()
        environment = settings(name, self.port, folder)
        self.log = folder / "log"
        with self.log.open("wb") as output:
            self.child = subprocess.Popen([*PROGRAMS[name], "serve"], stdout=output, stderr=output, env=environment)

    def takes_signals(self) -> bool:
        """Return True when it has a handler for SIGHUP. Ignoring it is not enough: under nohup it
        does from the start.
        """
        status = Path(f"/proc/{self.child.pid}/status").read_text(encoding="utf-8").split()
        handled = int(status[status.index("SigCgt:") + 1], 16)
        return bool(handled >> (signal.SIGHUP - 1) & 1)


@pytest.fixture(params=PROGRAMS)
def started(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StartedProgram]:
    """Yield each program, started in each way. It is ended in any case."""
    made = StartedProgram(request.param, tmp_path)
    yield made
    made.child.kill()
    made.child.wait()


@pytest.mark.parametrize("package", ["collector", "exporters.dnsbl"])
def test_an_end_whose_exception_python_ignores_is_an_end(package: str, tmp_path: Path) -> None:
    """SIGTERM during the start ends the program also where Python ignores the handler's `SystemExit`."""
    program = (
        "import contextlib, os, signal, sys\n"
        "from duckwatch.base import early\n"
        "early.install()\n"
        "with contextlib.suppress(SystemExit):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        f"from {package}.__main__ import main\n"
        "sys.exit(main(['serve']))\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", program], env=settings(package, free_port(), tmp_path), timeout=60, check=False
    )
    assert child.returncode == 0


def test_a_reload_while_it_starts_is_no_end(started: StartedProgram) -> None:
    """A reload or a log rotation's signal at any moment of the start does not end the program; SIGTERM does later."""
    wait_until(started.takes_signals, "SIGHUP is taken", every=0.001)
    numbers = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
    while not listens(started.port):
        for number in numbers:
            started.child.send_signal(number)
        assert started.child.poll() is None, started.log.read_text()
        time.sleep(0.02)
    for number in numbers:
        started.child.send_signal(number)
    time.sleep(0.2)
    started.child.send_signal(signal.SIGTERM)
    assert started.child.wait(30) == 0
    assert "Traceback" not in started.log.read_text()


@pytest.mark.parametrize(("number", "wait_seconds"), [(signal.SIGTERM, 0), (signal.SIGTERM, 0.4), (signal.SIGINT, 0.2)])
def test_an_end_while_it_starts_is_a_clean_one(
    started: StartedProgram, number: signal.Signals, wait_seconds: float
) -> None:
    """SIGTERM at any moment of the start gives exit code 0 and no traceback."""
    wait_until(started.takes_signals, "signals are taken", every=0.001)
    time.sleep(wait_seconds)
    started.child.send_signal(number)
    assert started.child.wait(30) == 0
    assert "Traceback" not in started.log.read_text()


LOOKING_ON = """
import os, runpy, signal, sys

class LooksOn:
    def find_spec(self, name, path=None, target=None):
        if name in ("aiohttp", "pydantic", "argparse") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            os._exit(3)

sys.meta_path.insert(0, LooksOn())
sys.argv = ["program", "--version"]
{}
"""


@pytest.mark.parametrize("package", ["collector", "exporters.dnsbl"])
@pytest.mark.parametrize("start", ["import {}.program as p; p.main()", "runpy.run_module('{}', run_name='__main__')"])
def test_signals_are_taken_before_anything_large_is_imported(package: str, start: str) -> None:
    """Signal handlers are installed before large imports, during which the default action would end the program."""
    code = LOOKING_ON.format(start.format(package))
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False, capture_output=True).returncode == 0
