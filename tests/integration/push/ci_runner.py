"""A CI system's machine: a Python without duckwatch, a repository to install it from, and an index of packages.

Nothing comes from another machine: the repository is served on loopback, and the index is a folder of wheels that are
made of the packages of the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

from release.commands import run
from release.environment import closure, files_of
from tests.docs.clone import Clone

if TYPE_CHECKING:
    from pathlib import Path

NEEDED = ("duckwatch[dashboards]", "hatchling", "editables")
"""What the index holds: the program's packages, and those of the build."""


class Script(NamedTuple):
    """The lines of a job with the environment that the CI system gives to them."""

    lines: list[str]
    environ: dict[str, str]


class CiRunner:
    """The machine in a folder, with a virtual environment of its own."""

    def __init__(self, folder: Path) -> None:
        self._bin, self._index = folder / "python" / "bin", folder / "index"
        run(sys.executable, "-m", "venv", self._bin.parent)
        self._index.mkdir()
        write_wheels(self._index, *NEEDED)
        self._server = served_repository(folder)
        self.source = f"git+http://127.0.0.1:{self._server.server_port}/duckwatch.git@v0.1.0"
        """What `DUCKWATCH_SOURCE` says."""

    def run(self, script: Script, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a script as CI systems do: its first command that fails ends it."""
        words = ["bash", "-e", "-o", "pipefail", "-c", "\n".join(script.lines)]
        environ = {"HOME": str(folder), "LANG": "C.UTF-8", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self._index)}
        environ |= {"PATH": f"{self._bin}:{os.environ['PATH']}", **script.environ}
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=280, cwd=folder, env=environ)

    def run_all(self, scripts: list[Script], folder: Path) -> tuple[int, str]:
        """Run the scripts until one fails. Return the exit code and the whole output."""
        out = ""
        for script in scripts:
            ended = self.run(script, folder)
            out += ended.stdout + ended.stderr
            if ended.returncode:
                return ended.returncode, out
        return 0, out

    def stop(self) -> None:
        """End the server of the repository."""
        self._server.shutdown()
        self._server.server_close()


def served_repository(folder: Path) -> ThreadingHTTPServer:
    """Serve this tree as the commit v0.1.0 of a Git repository, as plain files below `/duckwatch.git`."""
    clone = Clone.make(folder / "clone")
    served = folder / "served"
    for words in (
        ("git", "tag", "v0.1.0"),
        ("git", "clone", "--quiet", "--bare", ".", served / "duckwatch.git"),
        ("git", "-C", served / "duckwatch.git", "repack", "-a", "-d", "-q"),
        ("git", "-C", served / "duckwatch.git", "update-server-info"),
    ):
        run(*words, folder=clone.folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(served)))
    Thread(target=server.serve_forever, daemon=True).start()
    return server


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""


def write_wheels(folder: Path, *requirements: str) -> None:
    """Write a wheel of each distribution that these requirements install, but for duckwatch itself."""
    for name in closure(requirements) - {"duckwatch"}:
        distribution = metadata.distribution(name)
        stated = (distribution.read_text("WHEEL") or "").splitlines()
        tag = next(line.removeprefix("Tag: ") for line in stated if line.startswith("Tag: "))
        with zipfile.ZipFile(folder / f"{name.replace('-', '_')}-{distribution.version}-{tag}.whl", "w") as wheel:
            for source, target in files_of(name):
                wheel.write(source, str(target))
