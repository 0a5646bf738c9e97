"""The services of docker-compose.yml, run without a container engine: each in a box, as the file says.

A box has the service's user, command, secrets, mounts, memory file systems and a read-only root. All share one loopback
interface, on which their names are 127.0.0.1. Programs that no registry here has are replaced: MongoDB by SecantusDB
(without users), Mailpit by catcher.js, TimescaleDB's image by Debian's package and the project's script.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.deploy.box import PATH, ROOT, Box
from tests.servers import installed
from tests.servers.process import Process, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.deploy.box import Machine
    from tests.deploy.dockerfile import Image

START_SECONDS: Final = 120
POSTGRES: Final = "/usr/lib/postgresql/17/bin"
DATA: Final = "/var/lib/postgresql/data"

ENTRYPOINTS: Final = {
    "prometheus": ["/usr/bin/prometheus"],
    "alertmanager": ["/usr/bin/prometheus-alertmanager"],
    "zonemta": ["node", "node_modules/@zone-eu/zone-mta/app.js", "--config=/etc/zonemta/zonemta.js"],
    "wildduck": ["node", "server.js", "--config=/etc/wildduck/wildduck.js"],
}
"""What the images begin with: the entry points of Docker Hub's images, and those of deploy/images/mta/Dockerfile."""

FOLDERS: Final = {
    "zonemta": "/opt/zonemta",
    "demo": "/opt/zonemta",
    "wildduck": "/opt/wildduck/node_modules/@zone-eu/wildduck",
}
ENVIRONMENTS: Final = {
    "timescaledb": {"PATH": f"{POSTGRES}:{PATH}", "PGDATA": DATA, "POSTGRES_USER": "postgres"},
    "wildduck": {"NODE_CONFIG_DIR": f"{FOLDERS['wildduck']}/config", "NODE_ENV": "production"},
}


class Stack:
    """The services of a configuration, in a machine. `images` has those that our Dockerfile builds."""

    def __init__(self, machine: Machine, config: dict[str, Any], images: dict[str, Image]) -> None:
        self.machine, self._images = machine, images
        self.services: dict[str, dict[str, Any]] = config["services"]
        self._secrets = {name: one["file"] for name, one in config["secrets"].items()}
        self.boxes: dict[str, Box] = {}
        self.processes: dict[str, Process] = {}
        names = " ".join([*self.services, "localhost"])
        self._hosts = machine.folder / "hosts"
        self._hosts.write_text(f"127.0.0.1 {names}\n", encoding="ascii")
        self.caught = machine.folder / "caught.jsonl"
        self.caught.touch()

    def secret(self, name: str) -> Path:
        """Return the file of a secret."""
        return Path(self._secrets[name])

    def prepare(self, name: str) -> Box:
        """Return the service's box, made as the service says."""
        service, image = self.services[name], self._images.get(name)
        lowers = [] if image is None else [image.box.upper, *image.box.lowers[:-1]]
        self.boxes[name] = box = Box(self.machine, name, lowers)
        if name in FOLDERS:
            self._lay_mail_server(box, "wildduck" if name == "wildduck" else "zonemta")
        for mount in service.get("volumes", []):
            self._mount(box, name, mount)
        for one in service.get("secrets", []):
            box.bind(self._secrets[one["source"]], f"/run/secrets/{one['target']}")
        box.bind(self._hosts, "/etc/hosts")
        for text in service.get("tmpfs", []):
            target, _, options = text.partition(":")
            box.tmpfs(box.run("realpath", "--canonicalize-missing", target).stdout.strip(), options)
        return box

    def _mount(self, box: Box, name: str, mount: dict[str, Any]) -> None:
        if mount["type"] == "bind":
            box.bind(mount["source"], mount["target"])
            return
        # A named volume takes the owner of the image's folder: the service's user, in every image of the file.
        folder = self.machine.folder / "volumes" / mount["source"]
        if not folder.exists():
            folder.mkdir(parents=True)
            self.machine.run("chown", self.services[name]["user"], folder)
            folder.chmod(0o700)
        box.bind(folder, mount["target"], read_only=mount.get("read_only", False))

    def _lay_mail_server(self, box: Box, kind: str) -> None:
        """Lay out what deploy/images/mta/Dockerfile copies."""
        box.bind(Path(shutil.which(installed.node()) or "").resolve(), "/usr/local/bin/node")
        box.bind(ROOT / "deploy/images/mta/health.js", "/opt/health.js")
        project = installed.zonemta() if kind == "zonemta" else installed.newest_wildduck()
        box.bind(project / "node_modules", f"/opt/{kind}/node_modules")
        if kind == "zonemta":
            box.bind(ROOT / "zonemta-plugin", "/opt/zonemta/plugins/zonemta-duckwatch")

    def start(self, name: str, command: Sequence[str] | None = None) -> None:
        """Start a service by its own command, and wait until its health check passes."""
        box, service, image = self.boxes[name], self.services[name], self._images.get(name)
        if command is None:
            entry = image.entrypoint if image else ENTRYPOINTS.get(name, [])
            command = [*(service.get("entrypoint") or entry), *(service.get("command") or [])]
        env = (image.env if image else ENVIRONMENTS.get(name, {})) | service.get("environment", {})
        box.seal()
        self.processes[name] = process = box.start(
            *command, user=service["user"], env=env, folder=FOLDERS.get(name, "/")
        )
        process.wait_ready(lambda: self.is_healthy(name), seconds=START_SECONDS)

    def grace(self, name: str) -> float:
        """Return the seconds that Compose gives the service to end; ten by default."""
        found = re.fullmatch(r"(?:(\d+)m)?(\d+)s", self.services[name].get("stop_grace_period", "10s"))
        assert found is not None
        return 60 * int(found[1] or 0) + int(found[2])

    def is_healthy(self, name: str) -> bool:
        """Run the health check in the service's box, as its user. The tree has no wget: Python asks in its place."""
        service, image = self.services[name], self._images.get(name)
        test = list(service["healthcheck"]["test"])
        words = ["sh", "-c", test[1].replace("$$", "$")] if test[0] == "CMD-SHELL" else test[1:]
        if words[0] == "wget":
            code = "import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=5)"
            words = ["python3", "-c", code, words[-1]]
        env = image.env if image else ENVIRONMENTS.get(name, {})
        return self.boxes[name].run(*words, user=service["user"], env=env, folder="/tmp").returncode == 0

    def start_timescaledb(self) -> None:
        """Make the database as the image does: initdb, the server on its socket, the scripts, the server again."""
        name, user = "timescaledb", self.services["timescaledb"]["user"]
        box = self.prepare(name)
        known = box.run("sh", "-c", "echo 'alpine:x:70:70::/var/lib/postgresql:/bin/sh' >>/etc/passwd")
        assert known.returncode == 0, known.stderr

        def run(*words: str) -> None:
            done = box.run(*words, user=user, env=ENVIRONMENTS[name])
            assert done.returncode == 0, done.stdout + done.stderr

        password = "--pwfile=/run/secrets/postgres_password"
        run(f"{POSTGRES}/initdb", "--username=postgres", password, "--auth-host=scram-sha-256", "--auth-local=trust")
        run("sh", "-c", f"echo 'shared_preload_libraries = timescaledb' >>{DATA}/postgresql.conf")
        run(f"{POSTGRES}/pg_ctl", "--wait", "-o", "-c listen_addresses=''", "--log=/tmp/log", "start")
        run("/docker-entrypoint-initdb.d/100_duckwatch.sh")
        run(f"{POSTGRES}/pg_ctl", "--wait", "--mode=fast", "stop")
        self.start(name, [f"{POSTGRES}/postgres", "-D", DATA, "-c", "listen_addresses=*"])

    def start_mongo(self) -> None:
        """Start SecantusDB in MongoDB's place."""
        folder = self.machine.folder / "mongo"
        folder.mkdir()
        program = Path(sys.executable).parent / "secantusd-py"
        words = [str(program), "--host", "127.0.0.1", "--port", "27017", "--storage-path", str(folder)]
        self._beside("mongo", words, 27017)

    def start_catcher(self) -> None:
        """Start the e-mail catcher in Mailpit's place."""
        project, program = installed.zonemta(), ROOT / "tests/deploy/catcher.js"
        self._beside("mailpit", [str(installed.node()), str(program), str(project), str(self.caught)], 1025)

    def _beside(self, name: str, words: list[str], port: int) -> None:
        log = self.machine.folder / f"{name}.log"
        self.processes[name] = process = Process(name, self.machine.entering(*words), log)
        process.wait_ready(lambda: self.python(f"import socket; socket.create_connection(('127.0.0.1', {port}))"))

    def python(self, code: str, *words: str) -> str | None:
        """Run Python of this machine among the services. Return its output, None if it fails."""
        argv = self.machine.entering(sys.executable, "-c", code, *words)
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + "\n" if done.returncode == 0 else None

    def get(self, url: str) -> str:
        """Return what a URL answers. Raise AssertionError if it is an error."""
        code = "import sys, urllib.request as r; sys.stdout.write(r.urlopen(sys.argv[1], timeout=10).read().decode())"
        found: list[str] = []

        def answers() -> bool:
            text = self.python(code, url)
            found.append(text or "")
            return text is not None

        wait_until(answers, f"{url} answers")
        return found[-1]

    def end(self) -> None:
        """Kill what runs."""
        for process in self.processes.values():
            if process.returncode is None:
                process.kill()
