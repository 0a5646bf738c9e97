"""A real systemd that runs units: the first process of namespaces of its own, in a copy of this machine's tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from signal import SIGKILL

from tests.servers.missing import MissingServerError
from tests.servers.process import Process, children

BOOT = Path(__file__).with_name("systemd_boot.sh")
SYSTEMD = Path("/lib/systemd/systemd")
PYTHON = Path("/opt/duckwatch-python")
PACKAGES = Path("/opt/duckwatch-packages")
OUTPUT = "/var/log/duckwatch-test.log"
FILES = {
    # No journal runs, so the services write into a file.
    "etc/systemd/system/service.d/output.conf": f"[Service]\nStandardOutput=append:{OUTPUT}\nStandardError=inherit\n",
    "etc/systemd/system/duckwatch-test.target": "[Unit]\nDescription=the target of a test\nDefaultDependencies=no\n",
}
ENVIRON = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def analyze() -> str:
    """Return the path of systemd-analyze. Raise `MissingServerError`."""
    found = shutil.which("systemd-analyze")
    if found is None:
        raise MissingServerError("systemd-analyze is not installed: run `make servers` (as root, on Debian)")
    return found


class Systemd:
    """systemd with `files` laid over its tree. `PYTHON` and `PACKAGES` in it are this interpreter and its packages.

    With `own_network` it has a loopback of its own, so that each service has its usual port; else this machine's.
    Raise `MissingServerError` where it cannot run.
    """

    def __init__(self, folder: Path, files: Path, *, own_network: bool = False) -> None:
        if os.geteuid() != 0 or not SYSTEMD.exists():
            raise MissingServerError("systemd is not installed, or this is not root: run `make servers` (as root)")
        for name, text in FILES.items():
            (files / name).parent.mkdir(parents=True, exist_ok=True)
            (files / name).write_text(text)
        tree = folder / "tree"
        tree.mkdir()
        self._group = _own_control_group(folder.name)
        enter = f'echo $$ >{self._group}/cgroup.procs && exec "$@"'
        spaces = ["unshare", "--mount", "--pid", "--cgroup", "--uts", "--ipc", "--fork", "--kill-child"]
        if own_network:
            spaces.append("--net")
        binds = (sys.base_prefix, PYTHON, sysconfig.get_path("purelib"), PACKAGES)
        self._process = Process(
            "systemd", ["sh", "-c", enter, "sh", *spaces, "bash", BOOT, tree, files, *binds], folder / "systemd.log"
        )
        try:
            self._process.wait_ready(self._is_running)
        except AssertionError as error:
            self.remove()
            raise MissingServerError(f"systemd does not run in namespaces of this machine: {error}") from None
        if own_network:
            self.run("ip", "link", "set", "lo", "up")

    def _is_running(self) -> bool:
        """Return True when systemd has started its target. Before that its tree may still be the host's."""
        if not children(self._process.pid):
            return False
        return self.call("systemctl", "is-system-running").stdout == "running\n"

    def call(self, *words: object, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root, with `given` as its input; return how it ended."""
        # Without its first process there is no inside, and the command must not run on the host.
        (first,) = children(self._process.pid)
        enter = ("nsenter", f"--target={first}", "--all")
        return subprocess.run(
            list(map(str, (*enter, *words))),
            input=given,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env=ENVIRON,
        )

    def run(self, *words: object) -> str:
        """Run a command inside that must succeed; return what it prints."""
        ended = self.call(*words)
        assert ended.returncode == 0, f"{words}: {ended.stderr}{ended.stdout}\n{self.log()}"
        return ended.stdout

    def write(self, path: str, text: str, mode: str = "644") -> None:
        """Write a file inside."""
        self.run("sh", "-c", 'printf %s "$1" >"$2" && chmod "$3" "$2"', "sh", text, path, mode)

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def log(self) -> str:
        """Return the end of systemd's output, and that of its services."""
        parts = (self.call("cat", OUTPUT).stdout[-4000:], self.call("systemctl", "status", "duckwatch-*").stdout)
        return "\n".join((self._process.log_tail(), *parts))

    def remove(self) -> None:
        """End it, and with it every process inside; remove its control groups."""
        self._process.send(SIGKILL)
        self._process.wait()
        for folder in sorted(self._group.rglob("*/"), reverse=True):
            _remove_group(folder)
        _remove_group(self._group)


def _own_control_group(name: str) -> Path:
    """Make a control group below this process's own one, so that systemd touches no other."""
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    roots = [words[4] for words in mounts if words[words.index("-") + 1] == "cgroup2"]
    own = [line[3:] for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines() if line[:3] == "0::"]
    if not roots or not own:
        raise MissingServerError("systemd needs control groups of version 2, which this machine does not show")
    group = Path(roots[0], own[0].lstrip("/"), f"duckwatch-test-{os.getpid()}-{name}")
    try:
        group.mkdir()
    except OSError as error:
        raise MissingServerError(f"systemd needs a control group of its own: {error}") from None
    return group


def _remove_group(group: Path) -> None:
    """Remove a control group, once the kernel has let go of its last process."""
    for _ in range(100):
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.05)
        else:
            return
