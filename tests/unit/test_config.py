"""Settings: defaults, file, environment, secret files, and every fault at once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Final, get_args, get_origin

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from collector.config import Settings, SubjectPolicy, load
from collector.config.connections import ENCODE, MONGO_FORM, POSTGRES_FORM
from duckwatch.base.config.addresses import Endpoint
from duckwatch.base.config.units import format_duration, format_size
from duckwatch.base.errors import ConfigError
from examples.generate import entries

DOCS = Path(__file__).parents[2] / "docs" / "configuration.md"
SECRET = "s3cr3t-canary"
MONGO_DATABASE = "must be a MongoDB database's name: 1 to 63 characters, no space and none of . $ / \\ \""
LIVE_DOMAIN = "must be a domain like shop.example, without an address in front of it"


def written(folder: Path, document: object) -> Path:
    path = folder / "duckwatch.yml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document), encoding="utf-8")
    return path


def faults(path: Path | None, environ: dict[str, str] | None = None) -> dict[str, str]:
    """Return the faults of a wrong configuration, and assert that each key has one."""
    with pytest.raises(ConfigError) as refusal:
        load(path, environ or {})
    found = {fault.key: fault.problem for fault in refusal.value.faults}
    assert len(found) == len(refusal.value.faults)
    assert SECRET not in str(refusal.value) + repr(refusal.value)
    return found


def test_nothing_has_to_be_set() -> None:
    """Without file and environment the defaults are valid."""
    collector = load(None, {}).collector
    assert collector.listen == Endpoint("127.0.0.1", 9626)
    assert collector.limits.body_bytes == 8 << 20
    assert collector.retention.raw == timedelta(days=30)
    assert collector.privacy.subject is SubjectPolicy.DROP
    assert collector.database.direct_dsn is collector.database.dsn


@pytest.mark.parametrize("document", ["", "# nothing\n", "collector:\n", "{collector: {auth: null, limits: null}}"])
def test_an_empty_file_or_section_is_the_defaults(tmp_path: Path, document: str) -> None:
    """An empty file or section, with all lines commented out, gives the defaults."""
    assert load(written(tmp_path, document), {}) == load(None, {})


def test_the_file_of_the_design_is_read(tmp_path: Path) -> None:
    """Each key of a full file is read into its setting."""
    token = tmp_path / "token"
    token.write_text("abc\n", encoding="utf-8")
    section = {
        "listen": "[2001:db8::1]:80",
        "database": {"dsn": f"postgresql://u:{SECRET}@h/d", "session_dsn": "host=h dbname=d", "capacity": "500GiB"},
        "journal": {"path": "/x/journal", "max_bytes": "1GiB"},
        "auth": {"tokens": [{"token_file": str(token), "cluster": "eu1"}, {"token": "def"}]},
        "limits": {"body_bytes": "1MiB", "inflight_bytes": 2_000_000, "events_per_second": 5, "read_timeout": "250ms"},
        "retention": {"raw": "2y", "stats_5m": "2y", "stats_1h": "3y", "dead_letters": "36h"},
        "privacy": {"subject": "hmac", "secret": SECRET},
        "gelf": {"udp": "0.0.0.0:12201", "tcp": None, "cluster": "eu1", "allow": ["10.0.0.0/8", "2001:DB8::1"]},
        "public_ips": {"10.0.0.5": "192.0.2.5", "FD00::5": "2001:DB8:0::5"},
        "sending_ips": ["2001:DB8:0::7", "10.0.0.5", "192.0.2.7"],
        "live": {
            "url": "https://mail.example/grafana",
            "token_file": str(token),
            "stream": "eu-1",
            "watched_domains": ["Shop.Example.", "münchen.example"],
        },
    }
    settings = load(written(tmp_path, {"collector": section, "dnsbl": {"x": [1]}, "grafana": None}), {})
    collector = settings.collector
    assert collector.listen == Endpoint("2001:db8::1", 80)
    assert not collector.listen.is_loopback
    assert [(one.token.get_secret_value(), one.cluster) for one in collector.auth.tokens] == [
        ("abc", "eu1"),
        ("def", None),
    ]
    assert collector.database.direct_dsn.get_secret_value() == "host=h dbname=d"
    assert collector.limits.read_timeout == timedelta(milliseconds=250)
    assert collector.retention.raw == timedelta(days=730)
    assert collector.gelf is not None
    assert (collector.gelf.udp, collector.gelf.tcp, collector.gelf.cluster) == (Endpoint("0.0.0.0", 12201), None, "eu1")
    assert [str(network) for network in collector.gelf.allow] == ["10.0.0.0/8", "2001:db8::1/128"]
    assert collector.public_ips == {"10.0.0.5": "192.0.2.5", "fd00::5": "2001:db8::5"}
    assert collector.sending_addresses == ("192.0.2.5", "2001:db8::5", "2001:db8::7", "192.0.2.7")
    assert collector.database.capacity == 500 << 30
    assert collector.live is not None
    assert (collector.live.stream, collector.live.top_domains) == ("eu-1", 20)
    assert collector.live.watched_domains == ("shop.example", "xn--mnchen-3ya.example")
    assert SECRET not in repr(settings) + str(settings)


FAULTY: Final = {
    "listen": "0.0.0.0:99999",
    "databse": {"dsn": SECRET},
    "database": {"dsn": f"postgresql://u:{SECRET}@h:%%%/", "session_dsn_file": "/nowhere"},
    "journal": {"path": "", "max_bytes": "8MB"},
    "auth": {"tokens": [{"token": f"{SECRET} x"}, {"cluster": 5}, {"token": "t", "cluster": ""}]},
    "limits": {"inflight_bytes": "1MiB", "events_per_second": 0, "read_timeout": 30, "connections": "many"},
    "retention": {"raw": "1d", "dead_letters": "2 weeks", "stats": "1d"},
    "privacy": {"subject": "hmac"},
    "gelf": {"udp": "12201", "tcp": "0.0.0.0:12201", "cluster": "", "allow": ["10.0.0.1/8"], "alow": []},
    "public_ips": {"host": "192.0.2.1", "10.0.0.1": "nat"},
    "sending_ips": ["192.0.2.1", "host"],
    "mongo": [
        {
            "uri": f"mongodb://u:{SECRET}@x@h/",
            "zonemta_database": "a.b",
            "queue_collection": "",
            "wildduck_database": "",
        },
        {"uri": "postgresql://h/"},
    ],
    "live": {
        "url": f"http://u:{SECRET}@grafana",
        "stream": "a.b",
        "watched_domains": ["a@b.example", "x..", "b.example"],
        "top_domains": 0,
    },
}
"""A section in which nearly every key has a fault."""


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    """Every fault is reported at once with its key and what would be right, and no secret is quoted."""
    found = faults(written(tmp_path, {"collector": FAULTY, "colector": {}}), {"DUCKWATCH_COLECTOR__X": "1"})
    assert found == {
        "collector.listen": "must be HOST:PORT like 127.0.0.1:9626 or [::1]:9626, with a port from 0 to 65535",
        "collector.databse": "is not a known key: did you mean database?",
        "collector.database.dsn": f"{POSTGRES_FORM}; {ENCODE}",
        "collector.database.session_dsn_file": (
            "cannot be read (FileNotFoundError): name a file that this user can read"
        ),
        "collector.journal.path": "must be a path like /var/lib/duckwatch/journal",
        "collector.journal.max_bytes": "must be a size like 512KiB, 8MiB, 8GiB, or a whole number of bytes",
        "collector.auth.tokens.0.token": "must be 1 to 1024 printable ASCII characters without spaces",
        "collector.auth.tokens.1.token": "must be set",
        "collector.auth.tokens.1.cluster": "must be text (put it in quotes)",
        "collector.auth.tokens.2.cluster": "must be a name of 1 to 255 characters without control characters",
        "collector.limits.inflight_bytes": "must be at least body_bytes, or a large body could never be accepted",
        "collector.limits.events_per_second": "must be more than 0",
        "collector.limits.read_timeout": "must be a duration like 250ms, 30s, 5m, 12h, 30d or 2y",
        "collector.limits.connections": "must be a whole number",
        "collector.retention.raw": "must be at least 3d",
        "collector.retention.dead_letters": "must be a duration like 250ms, 30s, 5m, 12h, 30d or 2y",
        "collector.retention.stats": "is not a known key: did you mean stats_5m?",
        "collector.privacy.secret": "must be set (or secret_file) when subject is hmac",
        "collector.gelf.udp": "must be HOST:PORT like 127.0.0.1:9626 or [::1]:9626",
        "collector.gelf.cluster": "must be a name of 1 to 255 characters without control characters",
        "collector.gelf.allow.0": "must be a network like 10.0.0.0/8 or 2001:db8::/32, or an address",
        "collector.gelf.alow": "is not a known key: did you mean allow?",
        "collector.public_ips.host": "must be an IP address like 192.0.2.5 or 2001:db8::5",
        "collector.public_ips.10.0.0.1": "must be an IP address like 192.0.2.5 or 2001:db8::5",
        "collector.sending_ips.1": "must be an IP address like 192.0.2.5 or 2001:db8::5",
        "collector.mongo.0.uri": f"{MONGO_FORM}; {ENCODE}",
        "collector.mongo.0.zonemta_database": MONGO_DATABASE,
        "collector.mongo.0.queue_collection": "must be a MongoDB collection's name",
        "collector.mongo.0.wildduck_database": MONGO_DATABASE,
        "collector.mongo.1.uri": MONGO_FORM,
        "collector.live.url": "must have no user and no password: Grafana takes a token (token_file)",
        "collector.live.token": "must be set",
        "collector.live.stream": "must be a name of 1 to 40 ASCII letters, digits, _ and -",
        "collector.live.watched_domains.0": LIVE_DOMAIN,
        "collector.live.top_domains": "must be a whole number from 1 to 100",
        "colector": "is not a known key: did you mean collector?",
    }


@pytest.mark.parametrize(
    ("retention", "key", "problem"),
    [
        ({"raw": "3d", "stats_15s": "4d"}, "stats_15s", "must be at most raw (3d)"),
        ({"raw": "91d"}, "stats_5m", "must be at least raw (91d)"),
        ({"raw": "30d", "stats_5m": "29d"}, "stats_5m", "must be at least raw (30d)"),
        ({"stats_5m": "3y"}, "stats_1h", "must be at least stats_5m (3y)"),
    ],
)
def test_no_roll_up_is_kept_without_its_source(
    tmp_path: Path, retention: dict[str, str], key: str, problem: str
) -> None:
    """A roll-up's retention may not exceed its source's, also if that is a default: a refresh would delete history."""
    found = faults(written(tmp_path, {"collector": {"retention": retention}}))
    assert found == {f"collector.retention.{key}": f"{problem}: a roll-up needs its source to be rebuilt"}


@pytest.mark.parametrize("listen", ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "mail.example.com:1"])
def test_without_tokens_only_loopback_may_listen(tmp_path: Path, listen: str) -> None:
    """Without tokens only loopback addresses may listen."""
    assert list(faults(written(tmp_path, {"collector": {"listen": listen}}))) == ["collector.auth"]
    environ = {"DUCKWATCH_COLLECTOR__AUTH__TOKENS": '[{"token": "x"}]'}
    assert not load(written(tmp_path, {"collector": {"listen": listen}}), environ).collector.listen.is_loopback


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "127.1.2.3:1", "localhost:0", "[::1]:65535"])
def test_loopback_may_listen_without_tokens(tmp_path: Path, listen: str) -> None:
    """Loopback may listen without tokens, for an easy first try."""
    assert load(written(tmp_path, {"collector": {"listen": listen}}), {}).collector.listen.is_loopback


@pytest.mark.parametrize("way", ["udp", "tcp"])
def test_gelf_from_the_network_needs_to_know_from_whom(tmp_path: Path, way: str) -> None:
    """GELF beyond loopback needs the allowed networks, because it has no credentials."""
    gelf = {way: "0.0.0.0:12201"}
    (problem,) = faults(written(tmp_path, {"collector": {"gelf": gelf}}), {}).values()
    assert problem.startswith("must name the networks that may send")
    assert load(written(tmp_path, {"collector": {"gelf": {way: "127.0.0.1:12201"}}}), {}).collector.gelf is not None
    environ = {"DUCKWATCH_COLLECTOR__GELF__ALLOW": '["10.0.0.0/8"]'}
    assert load(written(tmp_path, {"collector": {"gelf": gelf}}), environ).collector.gelf is not None


def test_gelf_that_comes_in_nowhere(tmp_path: Path) -> None:
    """A GELF section without a listener is a fault; without the section GELF is off."""
    found = faults(written(tmp_path, {"collector": {"gelf": {"cluster": "eu1"}}}), {})
    assert found == {"collector.gelf.tcp": "must be set when udp is not: a HOST:PORT like 127.0.0.1:12201"}
    assert load(None, {}).collector.gelf is None


def test_one_token_twice_is_a_fault(tmp_path: Path) -> None:
    """The same token twice is a fault, because its cluster would be ambiguous."""
    tokens = [{"token": SECRET, "cluster": "a"}, {"token": SECRET, "cluster": "b"}]
    assert faults(written(tmp_path, {"collector": {"auth": {"tokens": tokens}}})) == {
        "collector.auth.tokens": "must not hold the same token twice"
    }


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """The environment overrides single keys of the file, and null unsets one."""
    section = {"journal": {"path": "/a", "max_bytes": "1MiB"}, "limits": {"events_per_second": 5}}
    environ = {
        "DUCKWATCH_COLLECTOR__JOURNAL__PATH": "/b",
        "DUCKWATCH_COLLECTOR__LIMITS__EVENTS_PER_SECOND": "null",
        "DUCKWATCH_COLLECTOR__LIMITS__CONNECTIONS": "7",
        "DUCKWATCH_COLLECTOR__PUBLIC_IPS": '{"10.0.0.1": "192.0.2.1"}',
        "DUCKWATCH_DNSBL__LISTEN": "not ours",
        "DUCKWATCH_HOME": "not a setting",
        "OTHER__COLLECTOR__X": "not ours",
    }
    collector = load(written(tmp_path, {"collector": section}), environ).collector
    assert (collector.journal.path, collector.journal.max_bytes) == (Path("/b"), 1 << 20)
    assert collector.limits.events_per_second is None
    assert collector.limits.connections == 7
    assert collector.public_ips == {"10.0.0.1": "192.0.2.1"}


def test_the_journals_kind_is_found_by_its_keys(tmp_path: Path) -> None:
    """`kind` is no key of its own; the section of a kind that is not there is named with the keys that are."""
    for journal in ({}, {"path": "/x"}):
        read = load(written(tmp_path, {"collector": {"journal": journal}}), {}).collector.journal
        assert (read.kind, read.path) == ("sqlite", Path(journal.get("path", "/var/lib/duckwatch/journal")))
    for key, value in (("kind", "sqlite"), ("paper", {"tray": 2})):
        unknown = faults(written(tmp_path, {"collector": {"journal": {key: value, "max_bytes": "1GiB"}}}), {})
        assert unknown == {f"collector.journal.{key}": "is not a known key: known here are max_bytes, path"}


def test_null_in_the_environment_unsets_any_key(tmp_path: Path) -> None:
    """Null in the environment gives any key its default, also a secret given by value or file."""
    section = {
        "listen": "127.0.0.1:1",
        "database": {"dsn": "host=x", "session_dsn": "host=y"},
        "journal": {"path": "/x", "max_bytes": "1MiB"},
        "retention": {"raw": "40d"},
        "gelf": {"udp": "127.0.0.1:2", "tcp": "127.0.0.1:2"},
        "live": {"url": "http://x", "token": "x"},
    }
    path = written(tmp_path, {"collector": section})
    keys = [key for key, default in keys_of(Settings).items() if "[]" not in key and default != "required"]
    secrets = [f"{key}_file" for key in keys if key.endswith(("dsn", "secret", "prometheus", "alertmanager"))]
    assert len(secrets) == 5
    for key in keys + secrets:
        environ = {f"DUCKWATCH_{key.upper().replace('.', '__')}": "null"}
        assert load(None, environ) == load(None, {}), key
        value: Any = load(path, environ)
        default: Any = load(None, {})
        for part in key.removesuffix("_file").split("."):
            value, default = getattr(value, part), getattr(default, part, None)
        # The others are of GELF and Live, which are off by default.
        assert value in (default, "default", (), "duckwatch", 20), key


def test_a_secret_unset_as_a_file_and_set_as_a_value_is_set(tmp_path: Path) -> None:
    """A secret unset as a file and set as a value is set, and the reverse."""
    path = tmp_path / "dsn"
    path.write_text("host=of_file", encoding="utf-8")
    name = "DUCKWATCH_COLLECTOR__DATABASE__DSN"
    database = load(None, {name: "host=x", f"{name}_FILE": "null"}).collector.database
    assert database.dsn.get_secret_value() == "host=x"
    database = load(None, {name: "null", f"{name}_FILE": str(path)}).collector.database
    assert database.dsn.get_secret_value() == "host=of_file"


@pytest.mark.parametrize("value", ["", "x", "{", "[{]", "["])
def test_lists_and_maps_in_the_environment_must_be_json(value: str) -> None:
    """A list or map in the environment that is not JSON is a fault that names the variable."""
    found = faults(None, {"DUCKWATCH_COLLECTOR__AUTH__TOKENS": value})
    assert found == {"collector.auth.tokens": "must be JSON (a list or a map) in DUCKWATCH_COLLECTOR__AUTH__TOKENS"}


def test_unknown_keys_of_the_environment_are_faults() -> None:
    """Unknown keys in the environment are faults."""
    environ = {"DUCKWATCH_COLLECTOR__JOURNAL__PAHT": "/x", "DUCKWATCH_COLECTOR__LISTEN": "x"}
    assert list(faults(None, environ)) == ["collector.journal.paht", "colector"]


@pytest.mark.parametrize(
    ("in_file", "in_environment"),
    [("dsn", "dsn"), ("dsn", "dsn_file"), ("dsn_file", "dsn"), ("dsn_file", "dsn_file")],
)
def test_a_secret_of_the_environment_takes_the_files_place(tmp_path: Path, in_file: str, in_environment: str) -> None:
    """A secret in the environment replaces the file's, whether each is a value or a secret file."""
    values = {}
    for where, key, host in (("file", in_file, "a"), ("environment", in_environment, "b")):
        values[where] = f"postgresql://{host}/d"
        if key.endswith("_file"):
            path = tmp_path / where
            path.write_text(values[where] + "\r\n", encoding="utf-8")
            values[where] = str(path)
    path = written(tmp_path, {"collector": {"database": {in_file: values["file"]}}})
    settings = load(path, {f"DUCKWATCH_COLLECTOR__DATABASE__{in_environment.upper()}": values["environment"]})
    assert settings.collector.database.dsn.get_secret_value() == "postgresql://b/d"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read (FileNotFoundError): name a file that this user can read"),
        (b"", "must name a file that holds the secret, at most 64 KiB"),
        (b"\n", "must name a file that holds the secret, at most 64 KiB"),
        (b"x" * 70_000, "must name a file that holds the secret, at most 64 KiB"),
        (b"\xff\xfe", "must name a file of UTF-8 text"),
        (b"\xef\xbb\xbfx", "must name a file without a byte order mark: save it as UTF-8 without BOM"),
    ],
)
def test_a_secret_file_that_holds_none_is_one_fault(tmp_path: Path, content: bytes | None, problem: str) -> None:
    """A secret file without a secret is one fault, under the key as written."""
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    section = {
        "privacy": {"subject": "hmac", "secret_file": str(path)},
        "auth": {"tokens": [{"token_file": str(path)}]},
    }
    assert faults(written(tmp_path, {"collector": section})) == {
        "collector.privacy.secret_file": problem,
        "collector.auth.tokens.0.token_file": problem,
    }


@pytest.mark.parametrize("path", [5, "", "a\0b", ["x"], {}])
def test_a_secret_file_must_be_a_path(tmp_path: Path, path: object) -> None:
    """A secret file that is not a path is a fault."""
    found = faults(None, {"DUCKWATCH_COLLECTOR__DATABASE": json.dumps({"dsn_file": path})})
    assert found == {"collector.database.dsn_file": "must be the path of a file"}


def test_a_secret_and_its_file_together_are_a_fault(tmp_path: Path) -> None:
    """A secret and its secret file together are a fault."""
    section = {"database": {"dsn": "host=x", "dsn_file": "/x"}}
    found = faults(written(tmp_path, {"collector": section}))
    assert found == {"collector.database.dsn_file": "must not be set beside dsn"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"collector: {{a: {SECRET}", "must be valid YAML"),
        (f"collector: *{SECRET}", "must be valid YAML"),
        (f"collector: !{SECRET} x", "must be valid YAML"),
        (f"collector: {SECRET}: y", "must be valid YAML"),
        ("collector: {listen: '127.0.0.1:1', listen: '127.0.0.1:2'}", "gives a key twice: join the two"),
        ("collector: {}\ncollector: {}", "gives a key twice: join the two"),
        ("collector:\n\tlisten: x", "has a tab, which YAML does not take as indentation: write spaces"),
        ("collector:\n  \tlisten: x", "has a tab, which YAML does not take as indentation: write spaces"),
        (
            "collector:\n  journal:\n    path: /x\n\t  max_bytes: 1GiB",
            "has a tab, which YAML does not take as indentation: write spaces",
        ),
        ("[" * 100_000, "must be valid YAML"),
        ("{? {a: 1} : 2}", "must be valid YAML"),
        ("collector: 2024-13-45", "must be valid YAML"),
        (f"a: !!timestamp {SECRET}", "must be valid YAML"),
        (f"a: !!bool {SECRET}", "must be valid YAML"),
        ("a: !!int ''", "must be valid YAML"),
        ("- a\n- b", "must be a mapping of sections, like collector: {…}"),
        (SECRET, "must be a mapping of sections, like collector: {…}"),
    ],
)
def test_a_file_that_cannot_be_read_as_yaml_is_a_fault_that_quotes_nothing(
    tmp_path: Path, text: str, problem: str
) -> None:
    """Invalid YAML is a fault that quotes nothing, unlike PyYAML's message, because a line may hold a password."""
    path = written(tmp_path, text)
    ((key, said),) = faults(path).items()
    assert said == problem
    assert key.startswith(str(path))


def test_a_file_that_is_not_there_or_not_text_is_a_fault(tmp_path: Path) -> None:
    """A missing or binary file is a fault, beside those of the environment."""
    found = faults(tmp_path / "none.yml", {"DUCKWATCH_COLLECTOR__LISTEN": "x"})
    assert set(found) == {str(tmp_path / "none.yml"), "collector.listen"}
    (tmp_path / "binary").write_bytes(b"\xff\xfe\0")
    assert faults(tmp_path / "binary") == {
        str(tmp_path / "binary"): "must be UTF-8 text, and line 1 is not: "
        "save it as UTF-8 (UTF-16 and Windows code pages are not read)"
    }
    assert str(tmp_path) in faults(tmp_path)


@pytest.mark.parametrize("document", [{5: {}}, {"collector": {5: 1}}, {"collector": {"a b": 1}}, {"": 1}])
def test_keys_that_are_no_words_are_faults_too(tmp_path: Path, document: dict[Any, Any]) -> None:
    """A key that does not look like one is a fault and not quoted, because it may be a misplaced secret."""
    assert len(faults(written(tmp_path, document))) == 1


@pytest.mark.parametrize("section", ["text", 5, [], [1], True])
def test_a_section_must_be_a_mapping(tmp_path: Path, section: object) -> None:
    """A section must be a mapping, at any depth."""
    assert faults(written(tmp_path, {"collector": section})) == {"collector": "must be a mapping of keys"}
    found = faults(written(tmp_path, {"collector": {"limits": section}}))
    assert found == {"collector.limits": "must be a mapping of keys"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "collector",
                        "auth",
                        "tokens",
                        "token",
                        "token_file",
                        "limits",
                        "journal",
                        "path",
                        "listen",
                        "public_ips",
                    ]
                )
                | st.text(max_size=3),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_section_is_settings_or_faults(value: object) -> None:
    """Any section gives settings or faults, never a traceback."""
    environ = {
        f"DUCKWATCH_{name}": json.dumps(value) for name in ("COLLECTOR__AUTH", "COLLECTOR__LIMITS", "COLLECTOR__X")
    }
    for one in (environ, {"DUCKWATCH_COLLECTOR__AUTH": json.dumps(value)}):
        try:
            load(None, one)
        except ConfigError as error:
            assert error.faults  # noqa: PT017 - either end is right


def keys_of(model: type[BaseModel], prefix: str = "") -> dict[str, str]:
    """Return every key with its default, in the form of docs/configuration.md."""
    found = {}
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        parts = [field.annotation, *get_args(field.annotation)]
        inner = [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
        is_list = inner and get_origin(field.annotation) in (tuple, list)
        if not inner or field.annotation is not inner[0]:
            found[key] = shown(field.get_default(call_default_factory=True))
        for one in inner:
            found |= keys_of(one, f"{key}[]." if is_list else f"{key}.")
    return found


def shown(value: object) -> str:  # noqa: PLR0911 - a table
    match value:
        case _ if value is PydanticUndefined:
            return "required"
        case Endpoint():
            return f"`{value.host}:{value.port}`"
        case SecretStr():
            return f"`{value.get_secret_value()}`"
        case timedelta():
            return f"`{format_duration(value)}`"
        case int() if value >= 1024:
            return f"`{format_size(value)}`"
        case Enum():
            return f"`{value.value}`"
        case tuple():
            return f"`{list(value)}`"
        case bool():
            return f"`{str(value).lower()}`"
        case None:
            return "`null`"
        case _:
            return f"`{value}`"


def test_the_documentation_has_every_key_with_its_default() -> None:
    """The documentation has every key with its default, and no other, in the settings' order."""
    found = [one for one in entries(DOCS.read_text(encoding="utf-8")) if one.key.startswith("collector.")]
    assert [(one.key, one.default) for one in found] == list(keys_of(Settings).items())
    assert {one.key.rpartition(".")[2] for one in found if one.is_secret} == {
        "dsn",
        "session_dsn",
        "token",
        "secret",
        "uri",
        "prometheus",
        "alertmanager",
    }


def test_the_documentations_example_is_valid(tmp_path: Path) -> None:
    """The documentation's example is valid, once its secret files exist."""
    (example,) = re.findall(r"```yaml\n(collector:.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    for name, content in (("dsn", "host=x"), ("eu1", "token")):
        (tmp_path / name).write_text(content, encoding="utf-8")
    assert load(written(tmp_path, example.replace("/run/secrets", str(tmp_path))), {}).collector.auth.tokens


def test_the_program_says_every_fault_and_exits_2(tmp_path: Path) -> None:
    """With a wrong file the program prints one line for each fault, no traceback, and exits with 2."""
    path = written(
        tmp_path, {"collector": {"listen": "x", "journal": {"max_bytes": "8MB"}, "privacy": {"secret": [SECRET]}}}
    )
    for command in ("serve", "check-config"):
        ended = subprocess.run(
            [sys.executable, "-m", "collector", "--config", path, command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 2
        assert ended.stdout == ""
        keys = [line.partition(": must be ")[0] for line in ended.stderr.splitlines()]
        assert keys == ["collector.listen", "collector.journal.max_bytes", "collector.privacy.secret"]
        assert SECRET not in ended.stderr


@pytest.mark.parametrize(
    ("domains", "problem"),
    [
        (["b.example", "B.example."], "must not name the same domain twice"),
        ([f"d{n}.example" for n in range(51)], "must not name more than 50 domains: Grafana never forgets a channel"),
    ],
)
def test_watched_domains_are_few_and_different(tmp_path: Path, domains: list[str], problem: str) -> None:
    """The watched domains differ in their one spelling, and there are at most fifty."""
    section = {"live": {"url": "http://grafana:3000", "token": "t", "watched_domains": domains}}
    assert faults(written(tmp_path, {"collector": section}), {}) == {"collector.live.watched_domains": problem}


def test_a_path_is_not_one_of_a_shell(tmp_path: Path) -> None:
    """`~` is a folder of that name, which the collector would make in its working directory."""
    found = faults(written(tmp_path, {"collector": {"journal": {"path": "~/journal"}, "tls": {"key": "~dw/key"}}}))
    problem = "must be a path without ~, which only a shell replaces: write the folder"
    assert found == {"collector.journal.path": problem, "collector.tls.key": problem}
