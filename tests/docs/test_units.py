"""The commands of the documents for the systemd units of both programs, and for the DNSBL exporter alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.docs.blocks import pasted
from tests.docs.machine import CLONE, Machine
from tests.servers.fixtures import need
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers

LINK: Final = "sudo ln -s /opt/duckwatch/bin/duckwatch"
DATABASE = pasted("\\connect duckwatch", language="sql")
BOTH = pasted(f"{LINK}-collector /opt/duckwatch/bin/duckwatch-dnsbl /usr/local/bin/")
COLLECTOR = pasted("sudo systemctl enable --now duckwatch-collector", "sudo systemd-sysusers duckwatch-collector.conf")
EXPORTER = pasted("cat deploy/systemd/duckwatch-dnsbl.yml | sudo tee -a /etc/duckwatch.yml")
RESTART = pasted("sudo systemctl restart duckwatch-dnsbl")
ALONE = pasted(f"{LINK}-dnsbl /usr/local/bin/")
CONFIGURATION = pasted("  # A resolver of your own, such as unbound: many lists refuse public ones.", language="yaml")
ASK = pasted("duckwatch-dnsbl --config duckwatch.yml probe 192.0.2.5")
RUN = pasted("curl --fail --retry 9 --retry-delay 1 --retry-connrefused http://127.0.0.1:9627/metrics")
ALONE_RULES = pasted("sudo install -D -m 0644 -t /etc/prometheus/duckwatch duckwatch-rules/thresholds.yml")
ALONE_SCRAPED = pasted('    static_configs: [{targets: ["127.0.0.1:9627"]}]', language="yaml")
COMMANDS = pasted("duckwatch-dnsbl health                                  "
                  "# for health checks: is the exporter on this machine alive?")  # fmt: skip
ALERTMANAGER: Final = "--alertmanager.url=http://127.0.0.1:9093"
SCRAPED = pasted("  - /etc/prometheus/duckwatch/thresholds.yml", language="yaml")
RULES = pasted("sudo cp -r duckwatch-rules/thresholds.yml duckwatch-rules/recording duckwatch-rules/alerts "
               "/etc/prometheus/duckwatch")  # fmt: skip
CHECK_PROMETHEUS = pasted("promtool check config /etc/prometheus/prometheus.yml")
CHECK_ALERTMANAGER = pasted("amtool check-config /etc/prometheus/alertmanager.yml")
WATCHDOG = pasted(f"amtool alert query {ALERTMANAGER} alertname=DuckwatchWatchdog")
FIRING = pasted("promtool query instant http://127.0.0.1:9090 ALERTS")
ADD = f"amtool alert add {ALERTMANAGER} alertname=DuckwatchTest severity=critical team=mail \\"
NOTE = """  --annotation='summary="A test of the routes: nothing is wrong"'"""
TEST_ALERTS = [
    pasted(ADD, NOTE),
    pasted("amtool config routes test --config.file=/etc/prometheus/alertmanager.yml severity=critical team=mail"),
]
ALERTS = pasted(f"amtool alert query --silenced --inhibited {ALERTMANAGER}")
DOCTOR = pasted(
    "  doctor: {prometheus: 'http://127.0.0.1:9090', alertmanager: 'http://127.0.0.1:9093'}", language="yaml"
)
READY: Final = "curl --fail --retry 30 --retry-all-errors --retry-delay 1 http://127.0.0.1:{port}/-/ready"
NO_VERDICT: Final = 3
"""The exit code of `probe` where no list answers: this machine has no resolver."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Yield a machine with the database, and both programs installed."""
    made = need(lambda: Machine(tmp_path_factory.mktemp("machine")))
    made.make_database(DATABASE)
    made.install(BOTH)
    yield made
    made.remove()


def answers(machine: Machine, port: int) -> None:
    """Wait until a program says that it is alive."""
    url = f"http://127.0.0.1:{port}/healthz"
    wait_until(lambda: machine.systemd.call("curl", "--fail", url).returncode == 0, machine.systemd.log)


def test_both_units_run(machine: Machine) -> None:
    """The collector, and then the exporter with a section in the same file."""
    machine.paste(COLLECTOR)
    answers(machine, 9626)
    machine.paste(EXPORTER)
    answers(machine, 9627)
    machine.paste(RESTART)
    answers(machine, 9627)
    assert machine.systemd.show("duckwatch-collector", "ActiveState") == "active"


@pytest.fixture(scope="module")
def watched(machine: Machine) -> Machine:
    """Both services, and Prometheus and Alertmanager with the documents' configuration and the shipped routes."""
    machine.shell("systemctl start duckwatch-collector duckwatch-dnsbl")
    text = SCRAPED.text.replace("collector.example", "127.0.0.1")
    machine.add_prometheus(f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n{text}")
    machine.paste(RULES)
    machine.shell("systemctl start prometheus prometheus-alertmanager")
    for port in (9090, 9093):
        machine.shell(READY.format(port=port))
    return machine


def test_prometheus_and_alertmanager_take_their_files(watched: Machine) -> None:
    """Their tools find no fault, and both reload."""
    assert "SUCCESS" in watched.paste(CHECK_PROMETHEUS)
    assert "SUCCESS" in watched.paste(CHECK_ALERTMANAGER)


def test_an_alert_goes_the_whole_way(watched: Machine) -> None:
    """The watchdog fires; an alert of one's own is there beside it; doctor sees all of it."""
    wait_until(lambda: "Watchdog" in watched.paste(WATCHDOG), watched.systemd.log, seconds=120)
    assert 'alertname="DuckwatchWatchdog"' in watched.paste(FIRING)
    for block in TEST_ALERTS:
        watched.paste(block)
    assert "DuckwatchTest" in watched.paste(ALERTS)
    watched.systemd.write("/tmp/doctor.yml", DOCTOR.text.partition("\n")[2])
    watched.shell("sed -i '/^collector:/r /tmp/doctor.yml' /etc/duckwatch.yml")
    said = watched.shell("duckwatch-collector --config /etc/duckwatch.yml doctor")
    assert re.search(
        r"^ok +alert rules +Prometheus has \d+ alert rules, and sends alerts to 1 Alertm", said, re.MULTILINE
    )
    assert re.search(r"^ok +alertmanager ", said, re.MULTILINE)
    watched.shell("systemctl stop prometheus prometheus-alertmanager duckwatch-collector duckwatch-dnsbl")


@pytest.fixture(scope="module")
def alone(machine: Machine) -> Machine:
    """The exporter installed by its own quick start, and its configuration."""
    machine.shell("rm -f /usr/local/bin/duckwatch-* /etc/duckwatch.yml")
    machine.install(ALONE)
    machine.systemd.write(f"{CLONE}/duckwatch.yml", CONFIGURATION.text)
    return machine


def test_the_exporter_alone_asks_once(alone: Machine) -> None:
    """The configuration has no fault; without a resolver no list has a verdict, and the exit code says so."""
    assert "192.0.2.5" in alone.paste(ASK, code=NO_VERDICT)


def test_the_exporter_alone_runs(alone: Machine) -> None:
    """Its unit serves the metrics."""
    assert "duckwatch_dnsbl_" in alone.paste(RUN)


def asked(machine: Machine, expression: str) -> str:
    """Return what Prometheus answers to a query: nothing, where there is no series."""
    return machine.shell(f"promtool query instant http://127.0.0.1:9090 '{expression}'")


def test_the_alerts_of_the_exporter_alone_have_their_numbers(alone: Machine) -> None:
    """Prometheus has each limit with which an alert compares, finds no threshold missing, and no placeholder is left.

    The limits are recorded every minute.
    """
    alone.shell("rm -rf /etc/prometheus /var/lib/prometheus")
    alone.paste(ALONE_RULES)
    alone.add_prometheus(f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n{ALONE_SCRAPED.text}")
    alone.shell("! grep -r 'duckwatch[.]example' /etc/prometheus/duckwatch")
    alone.shell(f"systemctl start prometheus; {READY.format(port=9090)}")
    rules = alone.shell("cat /etc/prometheus/duckwatch/alerts/reputation.yml")
    limits = set(re.findall(r"\w+:duckwatch_\w+:limit", rules))
    assert len(limits) > 4
    recorded = '{__name__=~".+:limit"}'
    wait_until(lambda: all(limit in asked(alone, recorded) for limit in limits), "the limits are recorded", 120, 1)
    missing = 'ALERTS{alertname="DuckwatchThresholdsMissing"}'
    wait_until(lambda: asked(alone, missing).strip() == "", lambda: asked(alone, missing), 120, 1)
    assert "duckwatch-dnsbl" in asked(alone, "duckwatch_dnsbl_build_info")
    alone.shell("systemctl stop prometheus")


def test_each_command_of_the_exporter_works(alone: Machine) -> None:
    """`serve` runs until SIGTERM, on the port that the unit has left."""
    lines = COMMANDS.text.splitlines()
    assert len(lines) == 4
    serve, check, probe, health = lines
    assert "18 targets" in alone.shell(check)
    alone.shell(probe, code=NO_VERDICT)
    alone.shell(health)
    alone.shell("systemctl stop duckwatch-dnsbl")
    alone.shell(health, code=1)
    assert "duckwatch_dnsbl_" in alone.serve(serve, "http://127.0.0.1:9627/metrics")
