"""Containers without a container engine: namespaces, an overlay on the Debian 13 tree, and a user without rights.

It needs root. All mounts are in a mount namespace of their own, which ends with its `Machine`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.servers import installed
from tests.servers.missing import MissingServerError
from tests.servers.process import Process, dies_with_us

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT: Final = Path(__file__).parents[2]
RUN_SECONDS: Final = 900
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

OF_PIP: Final = ("PIP_", "SSL_", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY")
"""Beginnings of the variables by which pip of this machine finds its index."""

OF_NETWORK: Final = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs", "/etc/pip.conf", "/root/.config/pip")
"""Files by which it does."""


class Machine:
    """The namespaces of some boxes: they see each other on loopback, and nothing else.

    With `network`, boxes have this machine's network, to install packages.
    Raise `MissingServerError` without root or without the Debian 13 tree.
    """

    def __init__(self, folder: Path, *, network: bool = False) -> None:
        if os.geteuid() != 0 or shutil.which("nsenter") is None:
            raise MissingServerError("needs root and nsenter: it mounts a tree and changes its user")
        self.tree = installed.tree()
        self.folder = folder
        self._kinds = ["--mount", *([] if network else ["--net"])]
        self._holder = Process(
            "machine",
            ["unshare", *self._kinds, "--propagation", "private", "sleep", "infinity"],
            folder / "machine.log",
        )
        self._holder.wait_ready(lambda: self._mounts(self._holder.pid) != self._mounts("self"))
        if not network:
            self.run("ip", "link", "set", "lo", "up")

    @staticmethod
    def _mounts(pid: int | str) -> Path:
        return Path(f"/proc/{pid}/ns/mnt").readlink()

    def entering(self, *words: str | Path) -> list[str]:
        """Return the command that runs the words in the namespaces, as root."""
        return ["nsenter", "--target", str(self._holder.pid), *self._kinds, "--", *map(str, words)]

    def run(self, *words: str | Path) -> str:
        """Run a command in the namespaces, as root. Return its output. Raise AssertionError if it fails."""
        done = subprocess.run(self.entering(*words), capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout

    def end(self) -> None:
        """End the namespaces, and with them every mount."""
        self._holder.stop()


class Box:
    """A root folder: an overlay on `lowers` (the Debian 13 tree without them), in a machine."""

    def __init__(self, machine: Machine, name: str, lowers: Sequence[Path] = ()) -> None:
        self.machine = machine
        self.folder = machine.folder / name
        self.root, self.upper = self.folder / "root", self.folder / "upper"
        self.lowers = [*lowers, machine.tree]
        for one in (self.root, self.upper, self.folder / "work"):
            one.mkdir(parents=True)
        layers = ":".join(map(str, self.lowers))
        options = f"lowerdir={layers},upperdir={self.upper},workdir={self.folder / 'work'}"
        machine.run("mount", "-t", "overlay", "overlay", "-o", options, self.root)
        machine.run("mount", "-t", "proc", "proc", self.root / "proc")
        machine.run("mount", "--rbind", "/dev", self.root / "dev")

    def inside(self, path: str | Path) -> Path:
        """Return a path of the box as a path of the machine."""
        return self.root / str(path).lstrip("/")

    def bind(self, source: str | Path, target: str | Path, *, read_only: bool = True) -> None:
        """Mount a file or folder of this machine into the box."""
        place = self.inside(target)
        if Path(source).is_dir():
            self.machine.run("mkdir", "-p", place)
        else:
            self.machine.run("mkdir", "-p", place.parent)
            self.machine.run("touch", place)
        self.machine.run("mount", "--bind", *(["-o", "ro"] if read_only else []), source, place)

    def tmpfs(self, target: str, options: str) -> None:
        """Mount an empty folder in memory."""
        self.machine.run("mkdir", "-p", self.inside(target))
        self.machine.run("mount", "-t", "tmpfs", "-o", options, "tmpfs", self.inside(target))

    def carry_network(self) -> None:
        """Let pip in the box find the index as pip of this machine does."""
        for source in OF_NETWORK:
            if Path(source).exists():
                self.bind(source, source)
        for folder in os.environ.get("PIP_FIND_LINKS", "").split():
            if Path(folder).is_dir():
                self.bind(folder, folder)

    def seal(self) -> None:
        """Make the root read-only."""
        self.machine.run("mount", "-o", "remount,ro", self.root)

    def words(
        self, command: Sequence[str], *, user: str = "0:0", env: Mapping[str, str] | None = None, folder: str = "/"
    ) -> list[str]:
        """Return the command line that runs a command in the box as a user, without new privileges."""
        variables = [f"{name}={value}" for name, value in {"PATH": PATH, **(env or {})}.items()]
        return self.machine.entering(
            "setpriv", "--no-new-privs", "--", "chroot", f"--userspec={user}", "--groups=", self.root,
            "/usr/bin/env", "--ignore-environment", f"--chdir={folder}", *variables, *command,
        )  # fmt: skip

    def run(
        self, *command: str, user: str = "0:0", env: Mapping[str, str] | None = None, folder: str = "/"
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the box, and return what became of it."""
        words = dies_with_us(self.words(command, user=user, env=env, folder=folder))
        return subprocess.run(words, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)

    def start(self, *command: str, user: str, env: Mapping[str, str] | None = None, folder: str = "/") -> Process:
        """Start a service in the box. Its log is beside the root."""
        words = self.words(command, user=user, env=env, folder=folder)
        return Process(self.folder.name, words, self.folder / "service.log")
