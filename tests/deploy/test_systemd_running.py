"""The units in a real systemd: an event becomes a row, secrets stay root's, a bad configuration changes nothing."""

from __future__ import annotations

import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psycopg
import pytest

from release.commands import run
from tests import canaries
from tests.contract.test_examples import uncommented
from tests.deploy.test_systemd import SYSTEMD
from tests.servers.collector import Collector
from tests.servers.fixtures import need
from tests.servers.process import free_port, wait_until
from tests.servers.systemd import PACKAGES, PYTHON, Systemd

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers

PROGRAM = """#!/bin/sh
export PYTHONPATH={site}:{packages} PYTHONDONTWRITEBYTECODE=1 LD_LIBRARY_PATH={prefix}/lib
exec {python} {site}/bin/{name} "$@"
"""
SITE = Path("/opt/duckwatch")
COLLECTOR, DNSBL = "duckwatch-collector", "duckwatch-dnsbl"


class House(NamedTuple):
    """A running systemd with both units installed, and the ports of their services."""

    systemd: Systemd
    collector: int
    dnsbl: int


def install(files: Path, wheel: Path) -> None:
    """Install the wheel, its dependencies and the units into the files that are laid over systemd's tree."""
    site = files / str(SITE).lstrip("/")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", "--no-deps")
    run(*pip, "--target", site, wheel)
    python = PYTHON / Path(sys.base_exec_prefix, "bin", f"python{sys.version_info[0]}").relative_to(sys.base_prefix)
    for name in (COLLECTOR, DNSBL):
        program = files / "usr/local/bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(
            PROGRAM.format(site=SITE, packages=PACKAGES, prefix=PYTHON, python=python, name=name), encoding="utf-8"
        )
        program.chmod(0o755)
    for kind, place in (("system", "etc/systemd/system"), ("sysusers.d", "etc/sysusers.d")):
        run("mkdir", "-p", files / place)
        run("cp", "-r", f"{SYSTEMD / kind}/.", files / place)
    run("cp", "-r", SYSTEMD / "tmpfiles.d", files / "etc")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Iterator[House]:
    """Yield systemd with what docs/systemd.md installs. The services do not run yet."""
    files, folder = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("systemd")
    install(files, wheel)
    systemd = need(lambda: Systemd(folder, files))
    canaries.watch(folder / "systemd.log")
    try:
        systemd.run("systemd-sysusers")
        systemd.run("systemd-tmpfiles", "--create", *(f"/etc/tmpfiles.d/{name}.conf" for name in (COLLECTOR, DNSBL)))
        yield House(systemd, free_port(), free_port())
    finally:
        systemd.remove()


def configure(house: House, text: str) -> None:
    """Write /etc/duckwatch.yml."""
    house.systemd.write("/etc/duckwatch.yml", text)


def collector_configuration(house: House) -> str:
    """Return the shipped configuration of the collector, on a free port of loopback."""
    text = (SYSTEMD / f"{COLLECTOR}.yml").read_text(encoding="utf-8")
    return text.replace("0.0.0.0:9626", f"127.0.0.1:{house.collector}")


@pytest.fixture
def collector(house: House, postgres_dsn: str, tmp_path: Path) -> Iterator[Collector]:
    """Start the collector's unit; yield how its HTTP is asked."""
    asked = Collector(tmp_path, tmp_path, postgres_dsn)
    asked.port = house.collector
    house.systemd.write("/etc/duckwatch/dsn", f"{postgres_dsn}\n", mode="600")
    house.systemd.write("/etc/duckwatch/token", f"{Collector.token}\n", mode="600")
    configure(house, collector_configuration(house))
    house.systemd.run("systemctl", "start", COLLECTOR)
    wait_until(asked.is_ready, house.systemd.log)
    yield asked
    house.systemd.call("systemctl", "stop", COLLECTOR)


def test_an_event_becomes_a_row_and_the_service_ends_well(
    house: House, collector: Collector, postgres_dsn: str
) -> None:
    """The collector works behind every filter of its unit, and ends by itself when it is stopped."""
    entry = {"action": "ACCEPTED", "id": "1a20bd7ba7a000cd07", "seq": "001", "from": "a@b.example", "to": "c@d.example"}
    assert collector.send([{"time": time.time_ns() // 1_000_000, "entry": entry}]) == 202
    house.systemd.run("systemctl", "stop", COLLECTOR)
    assert house.systemd.show(COLLECTOR, "Result") == "success"
    assert house.systemd.show(COLLECTOR, "ExecMainStatus") == "0"
    with psycopg.connect(postgres_dsn) as connection:
        assert connection.execute("SELECT queue_id FROM mail_events").fetchall() == [("1a20bd7ba7a000cd07",)]


def test_a_configuration_with_a_fault_changes_nothing(house: House, collector: Collector) -> None:
    """`systemctl reload` fails, names the fault, and the service goes on; a good one is taken."""
    before = house.systemd.show(COLLECTOR, "MainPID")
    configure(house, "collector: {listen: nowhere}\n")
    assert house.systemd.call("systemctl", "reload", COLLECTOR).returncode != 0
    assert "collector.listen: " in house.systemd.log()
    assert collector.metrics()["duckwatch_config_last_reload_successful"] == {(): 1.0}
    configure(house, collector_configuration(house))
    house.systemd.run("systemctl", "reload", COLLECTOR)
    assert collector.is_ready()
    assert house.systemd.show(COLLECTOR, "MainPID") == before


def test_a_configuration_with_a_fault_does_not_start(house: House, collector: Collector) -> None:
    """`systemctl start` fails, and the service starts by itself once the file is mended."""
    house.systemd.run("systemctl", "stop", COLLECTOR)
    configure(house, "collector: {listen: nowhere}\n")
    assert house.systemd.call("systemctl", "start", COLLECTOR).returncode != 0
    configure(house, collector_configuration(house))
    wait_until(collector.is_ready, house.systemd.log)


def test_secrets_are_of_root_and_of_the_service(house: House, collector: Collector) -> None:
    """The account of the other service reads neither a secret nor the journal; the collector's own commands do."""
    folder = f"/run/credentials/{COLLECTOR}.service"
    for path in ("/etc/duckwatch/dsn", f"{folder}/dsn", f"{folder}/token", "/var/lib/duckwatch/journal"):
        house.systemd.run("test", "-e", path)
        assert house.systemd.call("runuser", "-u", "duckwatch-dnsbl", "--", "cat", path).returncode != 0
    assert house.systemd.call("runuser", "-u", "duckwatch", "--", "cat", "/etc/duckwatch/dsn").returncode != 0
    words = ("runuser", "-u", "duckwatch", "--", f"/usr/local/bin/{COLLECTOR}", "--config", "/etc/duckwatch.yml")
    assert house.systemd.run(*words, "migrate", "--status")


def test_the_exporter_runs_with_and_without_secrets(house: House) -> None:
    """The DNSBL exporter works behind every filter of its unit, and reads the secrets of /etc/credstore that exist."""
    text = (SYSTEMD / f"{DNSBL}.yml").read_text(encoding="utf-8").replace("9627", str(house.dnsbl))
    configure(house, text.replace("mail.example.com", "192.0.2.99"))
    exporter = f"http://127.0.0.1:{house.dnsbl}/metrics"
    house.systemd.run("systemctl", "start", DNSBL)
    wait_until(lambda: answers(exporter), house.systemd.log)
    house.systemd.write(f"/etc/credstore/{DNSBL}.key", f"{canaries.CANARY}\n", mode="600")
    configure(house, uncommented(text).replace("mail.example.com", "192.0.2.99"))
    house.systemd.write(f"/etc/credstore/{DNSBL}.token", f"{canaries.TOKEN}\n", mode="600")
    house.systemd.run("systemctl", "restart", DNSBL)
    wait_until(lambda: answers(exporter), house.systemd.log)
    house.systemd.run("systemctl", "stop", DNSBL)
    assert house.systemd.show(DNSBL, "Result") == "success"
    assert house.systemd.show(DNSBL, "ExecMainStatus") == "0"


def answers(url: str) -> bool:
    """Return True when a GET of the URL is answered 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
