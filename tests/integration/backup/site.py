"""The machines of docs/backup.md: a database server that can be lost, the one that replaces it, a back-up machine, and
a collector. The page's commands run on them with other paths, host names and passwords only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import yaml

from tests.integration.backup.page import blocks, commands, service_command
from tests.servers.collector import Collector
from tests.servers.postgres import EmbeddedPostgres
from tests.servers.process import Process, wait_until
from tests.servers.timescale import Timescale

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.postgres import PostgresCluster

TIERS: dict[str, type[EmbeddedPostgres | Timescale]] = {"postgres": EmbeddedPostgres, "timescale": Timescale}
DURABLE = {"fsync": "on", "full_page_writes": "on"}
"""Settings that `doctor` asks for."""

CASES = ("RENAME TO", "recovery_target")
"""Parts of the page's commands that are for one case only."""

SUDO = """#!/bin/sh
# Run a command as the user that it is meant for: the owner of the database's cluster, else this one.
if [ "$1" != -u ]; then exec "$@"; fi
user=$2 command=$3
shift 3
if [ "$user" != postgres ]; then exec "$command" "$@"; fi
case $command in psql | pg_* | vacuumdb) command=$PROGRAMS/$command ;; esac
exec $ENTER "$command" "$@"
"""


class Site:
    """All machines. `server` is the database server of the moment: a new one takes its place by `replace`."""

    def __init__(self, tier: str, folder: Path, logs: Path) -> None:
        self.tier, self._folder, self._logs = tier, folder, logs
        self._machines: list[PostgresCluster] = []
        self._links: list[Path] = []
        self._receiver: Process | None = None
        self.collector: Collector | None = None
        self._etc = folder / "etc"
        self._backups = self._home(self._machine()) / "backups"
        self.server = self._started()
        programs = folder / "bin"
        programs.mkdir()
        (programs / "sudo").write_text(SUDO, encoding="utf-8")
        (programs / "sudo").chmod(0o755)
        self._path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/bin:/bin"

    def _machine(self) -> PostgresCluster:
        machine = TIERS[self.tier](self._logs, DURABLE)
        machine.template = "template1"
        self._machines.append(machine)
        home = self._home(machine)
        if not home.exists():  # its data is in the Debian tree: its paths shall be those of both sides
            home.symlink_to(machine.root / home.relative_to("/"))
            self._links.append(home)
        return machine

    @staticmethod
    def _home(machine: PostgresCluster) -> Path:
        return Path(machine.data).parent

    def _started(self) -> PostgresCluster:
        machine = self._machine()
        machine.initialise()
        machine.start()
        return machine

    def install(self) -> None:
        """Make roles and database as docs/installation.md says."""
        [statements] = blocks("installation.md", "1. The database", "sql")
        if self.tier == "postgres":
            statements = "\n".join(line for line in statements.splitlines() if "timescaledb" not in line)
        self.shell("sudo -u postgres psql --set=ON_ERROR_STOP=1", stdin=statements)

    def make_collector(self) -> Collector:
        """Make the collector with its files in /etc, and start it."""
        made = Collector(self._folder / "collector", self._logs, "")
        section = yaml.safe_load(made.config.read_text(encoding="utf-8"))
        section["collector"]["database"] = {"dsn_file": str(self._etc / "duckwatch" / "dsn")}
        (self._etc / "duckwatch").mkdir(parents=True)
        made.config = self._etc / "duckwatch.yml"
        made.config.write_text(yaml.safe_dump(section), encoding="utf-8")
        (self._etc / "duckwatch" / "dsn").write_text(self.dsn(), encoding="utf-8")
        made.start()
        self.collector = made
        return made

    def dsn(self, role: str = "duckwatch") -> str:
        """Return a role's connection string of the database of the present server."""
        return f"postgresql://{role}@127.0.0.1:{self.server.port}/duckwatch"

    def replace(self, *, with_data: bool = True) -> PostgresCluster:
        """Put a new server in the place of the killed one. Without `with_data`, the old one's disk is lost, too."""
        old = self.server
        if not with_data:
            old.remove()
        self.server = self._started()
        return old

    def follow(self, heading: str, *, also: str = "", words: dict[str, str] | None = None) -> None:
        """Run the commands of a section of docs/backup.md that are for this tier, with other `words` in them.

        Of those that are for one case only, run the one that holds the text `also`.
        """
        for command in commands("backup.md", heading):
            case = next((case for case in CASES if case in command), also)
            if case != also or ("timescaledb" in command and self.tier == "postgres"):
                continue
            for written, here in (words or {}).items():
                command = command.replace(written, here)  # noqa: PLW2901  # the same command
            self._run(command)

    def _run(self, command: str) -> None:
        words = command.split()
        if words[:2] == ["sudo", "systemctl"]:
            self._service(words[2], words[-1])
        elif "doctor" not in words:  # the test asks `doctor` itself, to read its findings
            self.shell(command)

    def shell(self, command: str, stdin: str = "", *, ends_well: bool = True) -> str:
        """Run a command in a shell. Return its output; with `ends_well`, its exit code must be 0."""
        words = self.server.program("psql")
        environment = {
            "PATH": self._path,
            "LANG": "C.UTF-8",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.server.port),
            "PGUSER": "postgres",
            "ENTER": " ".join(words[:-1]),
            "PROGRAMS": str(Path(words[-1]).parent),
        }
        done = subprocess.run(
            ["sh", "-e", "-c", self._here(command)],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env=environment,
            cwd="/",
        )
        said = done.stdout + done.stderr
        assert (done.returncode == 0) is ends_well, f"{command}\nended with {done.returncode}:\n{said}"
        return said

    def _here(self, command: str) -> str:
        """Return a command with the paths and hosts of the test."""
        port = self.server.port
        owner = self._home(self.server).stat().st_uid
        for written, here in {
            "/var/backups/duckwatch.tar.gz": f"{self._folder}/duckwatch.tar.gz",
            "/var/backups/duckwatch": str(self._backups),
            "/var/lib/postgresql/17/main": self.server.data,
            "/etc/duckwatch": f"{self._etc}/duckwatch",
            "duckwatch:PASSWORD-1@db.internal/": f"duckwatch:PASSWORD-1@127.0.0.1:{port}/",
            "host=db.internal": f"host=127.0.0.1 port={port}",
            " -o postgres ": f" -o {owner} ",
        }.items():
            command = command.replace(written, here)
        assert "/var/" not in command.replace("/var/tmp/", ""), command
        return command

    def _service(self, verb: str, name: str) -> None:
        """Do what `systemctl` does."""
        collector = self.collector
        do: dict[tuple[str, str], list[Callable[[], Any]]] = {
            ("daemon-reload", "daemon-reload"): [],
            ("stop", "duckwatch-collector"): [] if collector is None else [collector.stop],
            ("restart", "duckwatch-collector"): [] if collector is None else [collector.stop, collector.start],
            ("stop", "postgresql"): [self.server.stop],
            ("start", "postgresql"): [self.server.start],
            ("enable", "duckwatch-wal"): [self._receive],
            ("stop", "duckwatch-wal"): [self._stop_receiving],
        }
        for action in do[verb, name]:
            action()

    def _receive(self) -> None:
        """Start the service that writes the WAL, and wait until the server sends it."""
        command = service_command("backup.md", "Base back-up and WAL")
        program = self.server.program("pg_receivewal")
        words = self._here(command).replace("/usr/bin/pg_receivewal", " ".join(program))
        self._receiver = Process("pg_receivewal", ["sh", "-c", f"exec {words}"], self._logs / "pg_receivewal.log")
        with psycopg.connect(self.server.dsn(), autocommit=True) as connection:
            asked = "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'duckwatch_wal'"
            wait_until(lambda: connection.execute(asked).fetchone() == (1,), "the WAL is received")

    def _stop_receiving(self) -> None:
        assert self._receiver is not None
        self._receiver.stop()
        self._receiver = None

    def close(self) -> None:
        """End everything, and delete the machines' data."""
        if self.collector is not None:
            self.collector.stop()
        if self._receiver is not None:
            self._receiver.kill()
        for machine in self._machines:
            machine.remove()
        for link in self._links:
            link.unlink()
        shutil.rmtree(self._folder / "bin", ignore_errors=True)
