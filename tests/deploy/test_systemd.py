"""The systemd units: systemd's own checks, and what they say against the programs and the configuration."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from collector import arguments as collector
from collector.app import END_SECONDS
from collector.config.model import Settings as CollectorSettings
from duckwatch.base.config.secret_files import named_secret_files
from exporters.dnsbl import __main__ as dnsbl
from exporters.dnsbl.config.model import Settings as DnsblSettings
from tests.contract.test_examples import uncommented
from tests.servers.fixtures import need
from tests.servers.systemd import analyze

ROOT = Path(__file__).parents[2]
SYSTEMD = ROOT / "deploy" / "systemd"
UNITS = sorted((SYSTEMD / "system").glob("*.service"))
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
PARSERS = {one.prog: one for one in (collector.parser(), dnsbl.parser())}
BIN = "/usr/local/bin/"
WORST_EXPOSURE = 2.5
CREDENTIALS = "/run/credentials/"


def values(unit: Path, name: str) -> list[str]:
    """Return the values of a setting of a unit, in their order."""
    text = unit.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)


def commands(unit: Path) -> list[list[str]]:
    """Return the command lines of a unit that run our program, from its name on."""
    lines = [shlex.split(line) for line in values(unit, "Exec[A-Za-z]+")]
    return [words[words.index(program(unit)) :] for words in lines if words[0] != "/bin/kill"]


def program(unit: Path) -> str:
    """Return the path of the program that a unit runs."""
    return f"{BIN}{unit.stem}"


def test_there_is_a_unit_for_each_service() -> None:
    """The collector and the exporter have a unit, with a configuration, an account and a folder beside it."""
    assert [one.name for one in UNITS] == ["duckwatch-collector.service", "duckwatch-dnsbl.service"]
    for unit in UNITS:
        (user,) = values(unit, "User")
        account = (SYSTEMD / "sysusers.d" / unit.stem).with_suffix(".conf").read_text(encoding="utf-8")
        assert re.search(rf"^u {user} ", account, re.MULTILINE)
        assert (SYSTEMD / "tmpfiles.d" / unit.stem).with_suffix(".conf").exists()
        assert unit.with_suffix(".yml").name in {path.name for path in SYSTEMD.iterdir()}


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_systemd_finds_no_fault(unit: Path, tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say, once the programs exist."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in SCRIPTS:
        (programs / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text(encoding="utf-8").replace(BIN, f"{programs}/"), encoding="utf-8")
    words: list[str | Path] = [need(analyze), "verify", "--man=no", "--generators=no", copy]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_the_exposure_is_low(unit: Path) -> None:
    """`systemd-analyze security` gives 2.5 or better."""
    words: list[str | Path] = [need(analyze), "security", "--offline=true", "--no-pager", unit]
    shown = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False).stdout
    (level,) = re.findall(r"Overall exposure level for \S+: ([\d.]+) ", shown)
    assert float(level) <= WORST_EXPOSURE


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_each_command_exists(unit: Path) -> None:
    """Each program is one that the wheel installs, and takes the words that the unit gives it."""
    assert unit.stem in SCRIPTS
    assert len(commands(unit)) == 3
    for words in commands(unit):
        PARSERS[unit.stem].parse_args(words[1:])


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_a_configuration_is_checked_before_it_is_read(unit: Path) -> None:
    """`check-config` runs before the start and before a reload, with the configuration of the service."""
    rest = ["--config", "/etc/duckwatch.yml"]
    check = [program(unit), *rest, "check-config"]
    assert commands(unit) == [check, [program(unit), *rest, "serve"], check]
    assert [len(values(unit, f"Exec{when}")) for when in ("StartPre", "Start", "Reload")] == [1, 1, 2]
    assert values(unit, "ExecReload")[1] == "/bin/kill -HUP $MAINPID"


@pytest.mark.parametrize(
    ("unit", "model"), list(zip(UNITS, (CollectorSettings, DnsblSettings), strict=True)), ids=["collector", "dnsbl"]
)
def test_each_credential_is_a_secret_of_the_configuration(
    unit: Path, model: type[CollectorSettings | DnsblSettings]
) -> None:
    """What the unit loads, the configuration beside it names in a key `…_file` of a secret, and the other way round."""
    loaded = {f"{CREDENTIALS}{unit.name}/{value.partition(':')[0]}" for value in values(unit, "LoadCredential")}
    text = (SYSTEMD / unit.name).with_suffix(".yml").read_text(encoding="utf-8")
    assert loaded
    assert {str(path) for path in named_secret_files(yaml.safe_load(uncommented(text)), model)} == loaded


def test_the_collector_has_the_time_to_end_by_itself() -> None:
    """The stop time is longer than the collector takes at most."""
    (seconds,) = values(UNITS[0], "TimeoutStopSec")
    assert int(seconds) > END_SECONDS
