"""Every command with an output that cannot be written: a full disk, a closed pipe, another encoding than UTF-8."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duckwatch.base import output

COMMANDS = (
    ("collector", ["check-config"]),
    ("collector", ["subject", "--help"]),
    ("collector", ["doctor", "--json"]),
    ("collector", ["subject", "pseudonym", "b@ex.net"]),
    ("exporters.dnsbl", ["check-config"]),
    ("exporters.dnsbl", ["probe", "127.0.0.2"]),
    ("grafana", ["build", "--output", "OUT"]),
    ("grafana", ["check", "--directory", "EMPTY"]),
    ("duckwatch.demo", ["--help"]),
)


def run(folder: Path, module: str, arguments: list[str], out: int, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program with another standard output."""
    (folder / "EMPTY").mkdir(exist_ok=True)
    settings = {
        "DUCKWATCH_COLLECTOR__PRIVACY__SECRET": "a secret of sixteen",
        "DUCKWATCH_COLLECTOR__DATABASE__DSN": "host=127.0.0.1 port=1",
        "DUCKWATCH_COLLECTOR__JOURNAL__PATH": str(folder / "journal"),
        "DUCKWATCH_COLLECTOR__LISTEN": "127.0.0.1:1",
        "DUCKWATCH_DNSBL__RESOLVERS": '["127.0.0.1:1"]',
        "DUCKWATCH_DNSBL__TARGETS": '["198.51.100.1"]',
        "DUCKWATCH_DNSBL__TIMEOUT": "50ms",
        "PYTHONUNBUFFERED": "",
    }
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **settings, **environ},
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(("module", "arguments"), COMMANDS)
def test_on_a_full_disk_each_command_says_one_line_and_fails(tmp_path: Path, module: str, arguments: list[str]) -> None:
    """On a full disk each command prints one line and fails, without a traceback or Python's message at exit."""
    with Path("/dev/full").open("w") as full:
        ended = run(tmp_path, module, arguments, full.fileno())
    lines = ended.stderr.splitlines()
    assert (ended.returncode, len(lines)) == (1, 1), ended.stderr
    assert lines[0].endswith("the output cannot be written: No space left on device")


@pytest.mark.parametrize(("module", "arguments"), [COMMANDS[0], COMMANDS[4], COMMANDS[6]])
def test_a_reader_that_has_gone_is_no_traceback(tmp_path: Path, module: str, arguments: list[str]) -> None:
    """A reader that has closed the pipe, like `head -0`, causes no traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    ended = run(tmp_path, module, arguments, writing)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_a_full_disk_under_standard_error_hides_no_exit_code(tmp_path: Path) -> None:
    """A full disk under standard error does not change the exit code 2 of a wrong configuration."""
    for module in ("collector", "exporters.dnsbl"):
        with Path("/dev/full").open("w") as full:
            ended = subprocess.run(
                [sys.executable, "-m", module, "--config", "none.yml", "check-config"],
                stderr=full,
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
                check=False,
            )
        assert ended.returncode == 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16"])
def test_json_is_json_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    """JSON output is valid in any encoding, also with a cluster name that is not ASCII."""
    settings = {
        "DUCKWATCH_COLLECTOR__MONGO": '[{"cluster": "M\u00fcller\U0001f986", "uri": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=1"}]'
    }
    path = tmp_path / "out"
    with path.open("wb") as out:
        ended = run(tmp_path, "collector", ["doctor", "--json"], out.fileno(), PYTHONIOENCODING=encoding, **settings)
    assert "Traceback" not in ended.stderr
    text = path.read_text("utf-16" if encoding == "utf-16" else "ascii")
    assert "M\u00fcller\U0001f986" in json.dumps(json.loads(text), ensure_ascii=False)


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_in_ascii_is_the_same_json(value: object) -> None:
    """JSON in ASCII is the same JSON, also with lone surrogates and characters beyond 16 bits."""

    class AsciiOutput:
        encoding = "ascii"

    text, before = json.dumps(value, ensure_ascii=False), sys.stdout
    sys.stdout = AsciiOutput()
    try:
        written = output.json_text(text)
    finally:
        sys.stdout = before
    assert written.isascii()
    assert json.loads(written) == value


def test_a_broken_pipe_of_something_else_is_not_taken_for_a_reader_who_left() -> None:
    """A broken pipe other than the output's is raised as an error."""

    def command() -> int:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        output.guarded("duckwatch", command)
