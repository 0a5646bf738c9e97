"""Both programs read the configuration in the same way."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import collector.config
import exporters.dnsbl.config
from duckwatch.base.config.document import begins_with_mark
from duckwatch.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SECRET = "s3cr3t-canary"


@dataclass(frozen=True)
class Program:
    """One program: its section, its loader, its file watch, and the key of a secret in its section."""

    section: str
    load: Callable[[Path | None, Mapping[str, str]], Any]
    files: Callable[[Path | None, Mapping[str, str]], Any]
    secret: str
    a_list: str
    a_map: str

    def document(self, key: str, value: object) -> dict[str, object]:
        """Return a document in which a dotted key of the section has a value. A number in the key
        is a place in a list.
        """
        for part in reversed(key.split(".")):
            value = [value] if part == "0" else {part: value}
        return {self.section: value}

    def secret_of(self, path: Path) -> str:
        """Return the secret that the program reads."""
        value = getattr(self.load(path, {}), self.section)
        for part in self.secret.split("."):
            value = value[0] if part == "0" else getattr(value, part)
        text: str = value.get_secret_value()
        return text


PROGRAMS = [
    Program(
        "collector", collector.config.load, collector.config.SettingsFiles, "auth.tokens.0.token", "mongo", "public_ips"
    ),
    Program(
        "dnsbl",
        exporters.dnsbl.config.load,
        exporters.dnsbl.config.SettingsFileWatch,
        "collector.token",
        "target_files",
        "public_ips",
    ),
]
each_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.section)


def faults(program: Program, path: Path | None, environ: dict[str, str] | None = None) -> dict[str, str]:
    """Return the faults of a wrong configuration, and assert that each key has one and none quotes the secret."""
    with pytest.raises(ConfigError) as refusal:
        program.load(path, environ or {})
    found = {fault.key: fault.problem for fault in refusal.value.faults}
    assert len(found) == len(refusal.value.faults)
    assert SECRET not in str(refusal.value)
    return found


def written(folder: Path, document: object) -> Path:
    path = folder / "duckwatch.yml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document), encoding="utf-8")
    return path


@each_program
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_line_ends_behind_a_secret_do_not_count(tmp_path: Path, program: Program, end: str) -> None:
    """Line ends after a secret, as editors, `echo` and Windows write them, are ignored."""
    (tmp_path / "secret").write_text(f"abc{end}", encoding="utf-8", newline="")
    path = written(tmp_path, program.document(f"{program.secret}_file", str(tmp_path / "secret")))
    assert program.secret_of(path) == "abc"


@each_program
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read (FileNotFoundError): name a file that this user can read"),
        (b"", "must name a file that holds the secret, at most 64 KiB"),
        (b"\r\n", "must name a file that holds the secret, at most 64 KiB"),
        (b"x" * 70_000, "must name a file that holds the secret, at most 64 KiB"),
        ("abc".encode("utf-16"), "must name a file of UTF-8 text"),
        (b"\xef\xbb\xbfabc", "must name a file without a byte order mark: save it as UTF-8 without BOM"),
    ],
)
def test_a_secret_file_that_holds_none_is_one_fault(
    tmp_path: Path, program: Program, content: bytes | None, problem: str
) -> None:
    """A secret file without a secret is one fault, under the key that names the file."""
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    path = written(tmp_path, program.document(f"{program.secret}_file", str(tmp_path / "secret")))
    assert faults(program, path) == {f"{program.section}.{program.secret}_file": problem}


@each_program
@pytest.mark.parametrize("value", [5, "", "a\0b", [SECRET], {}])
def test_a_secret_file_must_be_a_path(tmp_path: Path, program: Program, value: object) -> None:
    """A secret file that is not a path is a fault under its key."""
    path = written(tmp_path, program.document(f"{program.secret}_file", value))
    assert faults(program, path) == {f"{program.section}.{program.secret}_file": "must be the path of a file"}


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
"""Twelve lines whose aliases expand to 9^11 nodes."""


@each_program
@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("{}: {{a: {SECRET}", ", line 1, column ", "must be valid YAML"),
        ("{}: 1\n{}: 2", ", line 2, column 1", "gives a key twice: join the two"),
        ("{}:\n\tx: 1", ", line 2, column 1", "has a tab, which YAML does not take as indentation: write spaces"),
        (LAUGHS, ", line ", "must be valid YAML"),
        ("x: &x [*x]", ", line 1, column ", "must be valid YAML"),
        ("[" * 10_000, ", line 1, column ", "must be valid YAML"),
        ("- a", "", "must be a mapping of sections, like {}: {{…}}"),
        ("# " + "x" * (1 << 20), "", "must be smaller than 1048576 bytes"),
    ],
)
def test_a_file_that_is_no_configuration_is_a_fault_with_its_place(
    tmp_path: Path, program: Program, text: str, place: str, problem: str
) -> None:
    """A file that is no configuration is a fault with file, line and column, also one with exploding aliases."""
    path = written(tmp_path, text.replace("{}", program.section).replace("{{", "{"))
    ((key, said),) = faults(program, path).items()
    assert key.startswith(f"{path}{place}")
    assert said == problem.replace("{}", program.section).replace("{{", "{").replace("}}", "}")


@each_program
def test_text_that_is_not_utf_8_is_named_with_its_line(tmp_path: Path, program: Program) -> None:
    """Text that is not UTF-8 is a fault with its line, in every program that reads the file."""
    path = tmp_path / "duckwatch.yml"
    for content, line in ((f"# x\n{program.section}: B\xfccher".encode("latin-1"), 2), ("{}".encode("utf-16"), 1)):
        path.write_bytes(content)
        problem = (
            f"must be UTF-8 text, and line {line} is not: save it as UTF-8 (UTF-16 and Windows code pages are not read)"
        )
        assert faults(program, path) == {str(path): problem}
    path.write_bytes(b"\xef\xbb\xbf" + f"{program.section}: {{}}\r\n".encode())
    assert program.load(path, {}) == program.load(None, {})


@each_program
def test_check_config_warns_of_a_byte_order_mark(tmp_path: Path, program: Program) -> None:
    """`check-config` warns of an invisible byte order mark, which other readers may refuse."""
    path = tmp_path / "duckwatch.yml"
    path.write_bytes(b"\xef\xbb\xbf{}")
    package = {"collector": "collector", "dnsbl": "exporters.dnsbl"}[program.section]
    ended = subprocess.run(
        [sys.executable, "-m", package, "check-config", "--config", path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0
    assert f"{path}: begins with a byte order mark (BOM), which is passed over" in ended.stderr


@each_program
def test_a_file_that_ends_nowhere_is_read_only_so_far(program: Program) -> None:
    """An endless file, like a device, is read up to a limit."""
    assert faults(program, Path("/dev/zero")) == {"/dev/zero": "must be smaller than 1048576 bytes"}
    assert faults(program, Path("a\0b")) == {"a\0b": "cannot be read (ValueError): name a file that this user can read"}


@each_program
def test_a_pipe_is_read_once_and_stays_as_it_was(tmp_path: Path, program: Program) -> None:
    """A pipe (`--config <(…)`, a FIFO) is read again as it was: a second read would find nothing, or never end."""
    path, secret = tmp_path / "duckwatch.yml", tmp_path / "secret"
    texts = {path: yaml.safe_dump(program.document(f"{program.secret}_file", str(secret))), secret: "a-token\n"}
    for pipe, text in texts.items():
        os.mkfifo(pipe)
        threading.Thread(target=pipe.write_text, args=(text,), daemon=True).start()
    for _ in range(2):
        assert program.secret_of(path) == "a-token"
    assert not begins_with_mark(path)
    assert not program.files(path, {}).have_changed()


@each_program
def test_a_section_of_no_program_is_a_fault_wherever_it_is_written(tmp_path: Path, program: Program) -> None:
    """A section of no program is a fault, in file or environment; other programs' sections are ignored."""
    wrong = program.section[:-1] + "x"
    path = written(tmp_path, {"collector": {}, "dnsbl": None, "grafana": {"x": 1}, wrong: {}})
    problem = f"is not a known key: did you mean {program.section}?"
    assert faults(program, path) == {wrong: problem}
    assert faults(program, None, {f"DUCKWATCH_{wrong.upper()}__LISTEN": "x"}) == {wrong: problem}
    assert program.load(None, {"DUCKWATCH_GRAFANA__X": "1", "DUCKWATCH_HOME": "x"}) == program.load(None, {})


@each_program
def test_null_is_the_default_of_lists_and_maps_too(tmp_path: Path, program: Program) -> None:
    """Null means the default for lists and maps too, as when every line below the key is a comment."""
    for key in (program.a_list, program.a_map, "limits"):
        assert program.load(written(tmp_path, program.document(key, None)), {}) == program.load(None, {})


@each_program
@pytest.mark.parametrize("value", ["", "x", "[", '{"a"'])
def test_lists_and_maps_in_the_environment_must_be_json(program: Program, value: str) -> None:
    """A list or map in the environment that is not JSON is a fault with its key and variable."""
    name = f"DUCKWATCH_{program.section.upper()}__{program.a_list.upper()}"
    key = f"{program.section}.{program.a_list}"
    assert faults(program, None, {name: value}) == {key: f"must be JSON (a list or a map) in {name}"}


@each_program
def test_addresses_to_listen_on_are_a_list_in_the_environment_as_in_the_file(tmp_path: Path, program: Program) -> None:
    """A list of listening addresses works in file and environment, and an IPv6 address in brackets is no list."""
    name = f"DUCKWATCH_{program.section.upper()}__LISTEN"
    addresses = ["127.0.0.1:1", "[::1]:2"]
    in_file = program.load(written(tmp_path, program.document("listen", addresses)), {})
    assert program.load(None, {name: '["127.0.0.1:1", "[::1]:2"]'}) == in_file
    assert str(getattr(program.load(None, {name: "[::1]:2"}), program.section).listen) == "[::1]:2"


@each_program
def test_a_key_that_is_none_is_not_repeated(tmp_path: Path, program: Program) -> None:
    """An unknown key is not quoted in a log, only the known part before it."""
    path = written(tmp_path, {program.section: {f"{SECRET} x/y=": 1, "limits": {SECRET.replace("-", ""): 1}}})
    with pytest.raises(ConfigError) as refusal:
        program.load(path, {})
    assert SECRET not in str(refusal.value)
    assert {fault.place for fault in refusal.value.faults} == {program.section, f"{program.section}.limits"}


@each_program
def test_a_secrets_file_that_changes_is_seen_when_it_is_at_rest(tmp_path: Path, program: Program) -> None:
    """A changed, removed or replaced secret file is detected once it no longer changes."""
    secret = tmp_path / "secret"
    secret.write_text("abc", encoding="utf-8")
    files = program.files(written(tmp_path, program.document(f"{program.secret}_file", str(secret))), {})
    take = getattr(files, "load", None) or files.note_read
    take()
    assert not files.have_changed()
    for change in (secret.unlink, lambda: secret.write_text("xyz", encoding="utf-8")):
        change()
        seen = [files.have_changed() for _ in range(2)]
        assert seen == [False, True], "at rest since the look before"
    take()
    assert not files.have_changed()
    times = secret.stat()
    (tmp_path / "new").write_text("klm", encoding="utf-8")
    os.utime(tmp_path / "new", ns=(times.st_atime_ns, times.st_mtime_ns))
    (tmp_path / "new").rename(secret)
    assert [files.have_changed() for _ in range(2)] == [False, True]
