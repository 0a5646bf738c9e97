"""What the command line says when it cannot do what is asked."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collector.__main__ import main
from collector.demo.__main__ import main as demo
from exporters.dnsbl.__main__ import main as dnsbl
from grafana.__main__ import main as dashboards

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "s3cr3t-canary"


@pytest.mark.parametrize("command", ["migrate", "dead-letters list", "subject export jane@example.com"])
def test_a_database_that_is_away_is_named_by_the_word_of_the_docs(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The word stands in docs/operations.md; the connection string stays out."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        dsn = f"postgresql://duckwatch:{SECRET}@127.0.0.1:{nobody.getsockname()[1]}/duckwatch"
        monkeypatch.setenv("DUCKWATCH_COLLECTOR__DATABASE__DSN", dsn)
        assert main(command.split()) == 1
    printed = capsys.readouterr()
    assert (
        printed.err == "the database does not answer as it should: connection (OperationalError); `doctor` says more\n"
    )


def test_a_port_that_is_taken_is_named_as_it_is_configured(tmp_path: Path) -> None:
    """One line, the program's own, and exit code 1."""
    config = tmp_path / "duckwatch.yml"
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        config.write_text(json.dumps({"collector": {"listen": listen, "journal": {"path": str(tmp_path / "journal")}}}))
        done = subprocess.run(
            [sys.executable, "-m", "collector", "--config", str(config)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"collector.listen: cannot listen on {listen}: Address already in use\n"


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("duckwatch-collector", main),
        ("duckwatch-dnsbl", dnsbl),
        ("duckwatch-dashboards", dashboards),
        ("duckwatch-demo", demo),
    ],
)
def test_a_program_says_which_version_it_is(
    name: str, run: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    """That of pyproject.toml, behind its own name."""
    with pytest.raises(SystemExit) as ended:
        run(["--version"])
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{name} {project['version']}\n"
