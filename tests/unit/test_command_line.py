"""The messages of commands that fail."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collector.__main__ import main
from duckwatch.demo.__main__ import main as demo
from exporters.dnsbl.__main__ import main as dnsbl
from grafana.__main__ import main as dashboards

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "s3cr3t-canary"


@pytest.mark.parametrize("command", ["migrate", "dead-letters list", "subject export jane@example.com"])
def test_a_database_that_is_away_is_named_by_the_word_of_the_docs(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unreachable database is named by the kind in docs/operations.md, without the connection string."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound but not listening
        dsn = f"postgresql://duckwatch:{SECRET}@127.0.0.1:{nobody.getsockname()[1]}/duckwatch"
        monkeypatch.setenv("DUCKWATCH_COLLECTOR__DATABASE__DSN", dsn)
        assert main(command.split()) == 1
    printed = capsys.readouterr()
    assert (
        printed.err == "the database does not answer as it should: connection (OperationalError); `doctor` says more\n"
    )


def test_a_port_that_is_taken_is_named_as_it_is_configured(tmp_path: Path) -> None:
    """A port in use gives one line with the configured address, and exit code 1."""
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
    port = listen.partition(":")[2]
    assert done.stderr == (
        f"collector.listen: cannot listen on {listen}: Address already in use; "
        f"name another port, or end the program that has this one: ss -lnp 'sport = :{port}'\n"
    )


@pytest.mark.parametrize(
    ("module", "section", "command", "key"),
    [
        ("collector", {"listen": "127.0.0.1:0", "journal": {"path": "PRIVATE/journal"}}, "serve", "journal.path"),
        ("exporters.dnsbl", {"target_files": ["PRIVATE/targets.txt"]}, "check-config", "target_files.0"),
    ],
    ids=["journal", "target file"],
)
def test_a_folder_of_another_user_is_named(
    tmp_path: Path, module: str, section: dict[str, object], command: str, key: str
) -> None:
    """A folder of another user, which may not be entered, gives one line and no traceback."""
    private = tmp_path / "private"
    private.mkdir()
    words = [sys.executable, "-m", module, "--config", str(tmp_path / "duckwatch.yml"), command]
    if os.geteuid() == 0:  # drop root's right to read everything
        os.chown(private, 65534, 65534)
        words = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *words]
    document = json.dumps({module.rpartition(".")[2]: section}).replace("PRIVATE", str(private))
    (tmp_path / "duckwatch.yml").write_text(document)
    private.chmod(0o700 if os.geteuid() == 0 else 0)
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    private.chmod(0o700)
    assert done.returncode in {1, 2}
    [line] = done.stderr.splitlines()
    assert line.startswith(f"{module.rpartition('.')[2]}.{key}")
    assert "this user" in line


@pytest.mark.parametrize(
    ("run", "section"), [(main, "collector"), (dnsbl, "dnsbl")], ids=["duckwatch-collector", "duckwatch-dnsbl"]
)
def test_the_configuration_may_be_named_behind_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], run: Callable[[list[str]], int], section: str
) -> None:
    """`--config` after the command works as before it."""
    wrong, right = tmp_path / "wrong.yml", tmp_path / "right.yml"
    wrong.write_text(json.dumps({section: {"lisen": "127.0.0.1:0"}}))
    right.write_text(json.dumps({section: {"listen": "127.0.0.1:0"}}))
    for words in (["check-config", "--config", str(wrong)], ["--config", str(wrong), "check-config"]):
        assert run(words) == 2
        assert "did you mean listen?" in capsys.readouterr().err
    assert run(["check-config", "--config", str(right)]) == 0


@pytest.mark.parametrize(("option", "words"), [("--seconds", "a number from 0 up"), ("--port", "a port, 0 to 65535")])
def test_the_demo_says_which_values_an_option_takes(
    capsys: pytest.CaptureFixture[str], option: str, words: str
) -> None:
    """The demo names the values that an option takes, not the name of an internal function."""
    with pytest.raises(SystemExit, match="2"):
        demo([option, "x"])
    assert f"argument {option}: must be {words}" in capsys.readouterr().err


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
    """`--version` prints the program's name and the version of pyproject.toml."""
    with pytest.raises(SystemExit) as ended:
        run(["--version"])
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{name} {project['version']}\n"
