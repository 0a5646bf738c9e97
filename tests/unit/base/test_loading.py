"""The loader with a model of the test: it uses only the model's types, and knows no program's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import pytest
from pydantic import Field

from duckwatch.base.config.addresses import Endpoint, Endpoints
from duckwatch.base.config.loading import load
from duckwatch.base.config.values import BearerToken, Section, SettingsDocument, listens_like
from duckwatch.base.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


class Server(Section):
    """A section with a secret."""

    token: BearerToken | None = None
    folder: str | None = "General"


class Grafana(Section):
    """A section with sections in a map, in a list and alone, and an address."""

    servers: dict[str, Server] = Field(default_factory=dict)
    mirrors: tuple[Server, ...] | None = None
    main: Server = Server()
    codes: dict[str, int] = Field(default_factory=dict)
    most: Annotated[int, Field(gt=0)] | None = 10
    listen: Annotated[Endpoint | Endpoints, listens_like(3000)] = Endpoint("127.0.0.1", 3000)


class Settings(SettingsDocument):
    """The settings of a program with the section `grafana`."""

    grafana: Grafana = Grafana()


def test_secrets_are_read_wherever_the_model_has_them(tmp_path: Path) -> None:
    """Secrets are read in a map of sections, in an optional list, and in a section."""
    secret, path = tmp_path / "secret", tmp_path / "duckwatch.yml"
    secret.write_text("abc\n", encoding="utf-8")
    one = f"{{token_file: {secret}}}"
    path.write_text(f"grafana: {{servers: {{eu: {one}, token: {one}}}, mirrors: [{one}], main: {one}}}\ncollector: 5")
    loaded = load(Settings, path, {})
    found = loaded.settings.grafana
    assert found.mirrors is not None
    tokens = [one.token for one in (*found.servers.values(), *found.mirrors, found.main)]
    assert [token.get_secret_value() for token in tokens if token is not None] == ["abc"] * 4
    assert loaded.secret_files == (secret,) * 4


def test_null_is_a_value_where_the_model_says_so() -> None:
    """Null is a value for an optional key with another default, and unsets any other key."""
    name = "DUCKWATCH_GRAFANA__MAIN__FOLDER"
    assert load(Settings, None, {name: "null"}).settings.grafana.main.folder is None
    environ = {"DUCKWATCH_GRAFANA__SERVERS": "null", "DUCKWATCH_GRAFANA__MIRRORS": "null"}
    assert load(Settings, None, environ).settings == Settings()


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("{mirors: []}", "grafana.mirors", "is not a known key: did you mean mirrors?"),
        ("{servers: {eu: {tokn: x}}}", "grafana.servers.eu.tokn", "is not a known key: did you mean token?"),
        (
            "{servers: {eu: {x: x}}}",
            "grafana.servers.eu.x",
            "is not a known key: known here are folder, token, token_file",
        ),
        ("{servers: {eu: {token_file: /nowhere/x}}}", "grafana.servers.eu.token_file", "cannot be read"),
        ("{codes: {10.0.0.0/8: x}}", "grafana.codes.10.0.0.0/8", "must be a whole number"),
        ("{codes: {a/b: x}}", "grafana.codes.(not a key)", "must be a whole number"),
        ("{listen: x}", "grafana.listen", "must be HOST:PORT like 127.0.0.1:3000 or [::1]:3000"),
        ("[1]", "grafana", "must be a mapping of keys"),
        ("{most: yes}", "grafana.most", "must be a whole number"),
        ("{most: 1:40}", "grafana.most", "must be a whole number"),
        ("{most: .inf}", "grafana.most", "must be a whole number"),
        ("{on: 1}", "grafana.1", "is not a known key: keys are text"),
        ('{main: {folder: "\\ud800"}}', "grafana.main.folder", "must be text in UTF-8"),
        ('{mirrors: [{token_file: "\\ud800"}]}', "grafana.mirrors.0.token_file", "must be text in UTF-8"),
    ],
)
def test_a_fault_names_the_key_and_what_would_be_right(tmp_path: Path, text: str, key: str, problem: str) -> None:
    """A fault of an unknown key names the known keys at that place."""
    path = tmp_path / "duckwatch.yml"
    path.write_text(f"grafana: {text}", encoding="utf-8")
    with pytest.raises(ConfigError) as refusal:
        load(Settings, path, {})
    (fault,) = refusal.value.faults
    assert fault.key == key
    assert fault.problem.startswith(problem)


def test_a_number_is_what_the_operator_wrote(tmp_path: Path) -> None:
    """A number with a zero in front is not octal, though YAML 1.1 says so; text with one keeps it."""
    path = tmp_path / "duckwatch.yml"
    path.write_text("grafana: {most: 0100, main: {folder: 0123}}", encoding="utf-8")
    read = load(Settings, path, {}).settings.grafana
    assert (read.most, read.main.folder) == (100, "0123")


def test_the_environment_has_no_text_that_a_file_could_not_have() -> None:
    """Bytes that are not UTF-8, and a key twice in one map, are faults as they are in a file."""
    for name, value, key in (
        ("MAIN__FOLDER", b"\xff".decode(errors="surrogateescape"), "grafana.main.folder"),
        ("MAIN", '{"folder": "a", "folder": "b"}', "grafana.main"),
    ):
        with pytest.raises(ConfigError) as refusal:
            load(Settings, None, {f"DUCKWATCH_GRAFANA__{name}": value})
        assert [fault.key for fault in refusal.value.faults] == [key]
