"""A simulated ZoneMTA process with the real plugin (tests/plugin/mta.js), driven over Node's IPC channel."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

SCRIPT = Path(__file__).parents[1] / "plugin" / "mta.js"
DEADLINE_SECONDS = 30


class Mta:
    """One process, in one of ZoneMTA's contexts. `logs` holds the plugin's log lines."""

    def __init__(self, settings: dict[str, Any], context: str = "sender") -> None:
        node = shutil.which("node")
        if node is None:
            if os.environ.get("CI"):
                pytest.fail("needs Node")
            pytest.skip("needs Node")
        ours, theirs = socket.socketpair()
        with theirs:
            environment = os.environ | {"NODE_CHANNEL_FD": str(theirs.fileno())}
            words = [node, str(SCRIPT), json.dumps({"batchAge": 20, "deadAfter": 600, **settings}), context]
            self._process = subprocess.Popen(words, env=environment, pass_fds=[theirs.fileno()])
        self._channel = ours
        self._said: dict[int, threading.Event] = {}
        self._ready = threading.Event()
        self._number = 0
        self.logs: list[str] = []
        threading.Thread(target=self._hear, daemon=True).start()
        assert self._ready.wait(DEADLINE_SECONDS), "the plugin did not start"

    def emit(self, ids: Sequence[str], more: dict[str, Any] | None = None) -> None:
        """Call the hook with one entry for each id. Return when every call has returned."""
        entries = [{"id": one, "seq": "001", "action": "ACCEPTED", "to": "a@b.example", **(more or {})} for one in ids]
        self._number += 1
        done = self._said[self._number] = threading.Event()
        order = {"order": "emit", "number": self._number, "entries": entries}
        self._channel.sendall(json.dumps(order).encode() + b"\n")
        assert done.wait(DEADLINE_SECONDS), "a hook did not return"

    def is_running(self) -> bool:
        """Return True until the process has ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill it by SIGKILL."""
        self._process.kill()
        self._process.wait()
        self._channel.close()

    def _hear(self) -> None:
        with contextlib.suppress(OSError), self._channel.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                if "log" in message:
                    self.logs.append(message["log"])
                elif message.get("ready"):
                    self._ready.set()
                elif (done := self._said.get(message.get("done"))) is not None:
                    done.set()
