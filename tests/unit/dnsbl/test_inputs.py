"""Input of people and programs: invisible characters in target files, resolvers by name, probable mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from duckwatch.base.config.addresses import Endpoint
from duckwatch.base.errors import ConfigError
from exporters.dnsbl.config.units import parse_resolver
from exporters.dnsbl.lists.names import TARGET_FORM
from exporters.dnsbl.planning.plan_loading import read_configuration
from tests.unit.dnsbl.test_config import faults, planned, written

if TYPE_CHECKING:
    from pathlib import Path

MARKED = "\ufeff192.0.2.1\r\n# ours\r\n\u00a0192.0.2.2\t# mx2\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["plain.txt", "sd.json", "sd.yml"])
def test_a_byte_order_mark_is_no_part_of_a_target(tmp_path: Path, encoding: str, name: str) -> None:
    """A byte order mark (UTF-8, UTF-16), line ends and spaces of any kind are no part of a target."""
    as_file_sd = '\ufeff[{"targets": ["192.0.2.1", "192.0.2.2:25"]}]'
    (tmp_path / name).write_bytes((MARKED if name == "plain.txt" else as_file_sd).encode(encoding))
    plan = planned(tmp_path, target_files=[str(tmp_path / name)])
    assert [one.target.text for one in plan.targets] == ["192.0.2.1", "192.0.2.2"]


@pytest.mark.parametrize("hidden", ["\ufeff", "\u200b", "\u00ad", "\u00a0", "\u200e", "\x00", "\x0b", "\u2028"])
def test_an_invisible_character_is_named_with_its_place(tmp_path: Path, hidden: str) -> None:
    """An invisible character within an entry is a fault with file, line and code point."""
    (tmp_path / "plain.txt").write_text(f"192.0.2.1\n\nmx{hidden}1.example\n", encoding="utf-8")
    found = faults(tmp_path, {"target_files": [f"{tmp_path}/plain.txt"]})
    (problem,) = found.values()
    assert list(found) == [f"dnsbl.target_files.0 ({tmp_path}/plain.txt, line 3)"]
    assert problem.startswith(f"holds an invisible character (U+{ord(hidden):04X})")


def test_text_that_is_not_utf_8_is_named_with_its_line(tmp_path: Path) -> None:
    """Text that is not UTF-8, like a comment in Latin-1, is a fault with its line."""
    (tmp_path / "plain.txt").write_bytes(b"192.0.2.1\n# B\xfccher\n")
    assert list(faults(tmp_path, {"target_files": [f"{tmp_path}/plain.txt"]}).values()) == [
        "must be UTF-8 text, and line 2 is not: save the file as UTF-8"
    ]


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({}, {"dnsbl.targets": "names nothing to check"}),
        ({"collector": {"targets": True}}, {}),
        (
            {"targets": ["192.0.2.1", "mail.example", "2001:db8::1"], "lists": [{"zone": "bl.example", "ipv6": True}]},
            {},
        ),
        ({"targets": ["10.0.0.5"]}, {"dnsbl.targets.0": "10.0.0.5 is private"}),
        ({"targets": ["192.0.2.1", "172.16.0.0/30"]}, {"dnsbl.targets.1": "172.16.0.0/30 is private"}),
        ({"targets": ["::ffff:127.0.0.1"]}, {"dnsbl.targets.0": "127.0.0.1 is private"}),
        ({"targets": ["fd00::5"]}, {"dnsbl.targets.0": "fd00::5 is private", "dnsbl.lists": "takes IPv6"}),
        ({"targets": [{"target": "a.example", "treat_as": "domain"}]}, {"dnsbl.lists": "takes domains: a.example"}),
        (
            {"targets": ["192.0.2.1"], "resolvers": ["127.0.0.1:1", "8.8.8.8", "[2620:fe::9]:53"]},
            {
                "dnsbl.resolvers.1": "name a resolver of your own",
                "dnsbl.resolvers.2": "2620:fe::9 is a public resolver",
            },
        ),
        ({"targets": ["192.0.2.1"], "target_files": ["EMPTY"]}, {"dnsbl.target_files.0 (EMPTY)": "names no target"}),
        ({"targets": ["192.0.2.1"], "target_files": ["NONE*"]}, {"dnsbl.target_files.0": "no file is named"}),
    ],
)
def test_a_probable_mistake_is_a_warning(tmp_path: Path, section: dict[str, Any], said: dict[str, str]) -> None:
    """A probable mistake (no target, private target, no list for it, empty file) is a warning, and
    the exporter starts.
    """
    (tmp_path / "EMPTY").write_text("\ufeff# nothing yet\n", encoding="utf-8")
    files = {"target_files": [str(tmp_path / one) for one in section.get("target_files", [])]}
    configuration = read_configuration(written(tmp_path, {"dnsbl": {"lists": ["bl.example"]} | section | files}), {})
    found = {warning.key.replace(f"{tmp_path}/", ""): warning.problem for warning in configuration.warnings}
    assert found.keys() == said.keys()
    assert all(text in found[key] for key, text in said.items()), found


@pytest.mark.parametrize("suffix", ["txt", "json", "yml"])
def test_an_empty_target_file_is_no_fault(tmp_path: Path, suffix: str) -> None:
    """An empty target file is no fault, because a program may generate it."""
    (tmp_path / f"empty.{suffix}").write_text("")
    configuration = read_configuration(
        written(tmp_path, {"dnsbl": {"target_files": [f"{tmp_path}/empty.{suffix}"]}}), {}
    )
    assert [warning.problem.partition(":")[0] for warning in configuration.warnings] == [
        "names no target",
        "names nothing to check",
    ]


@pytest.mark.parametrize(
    ("written_as", "host", "port"),
    [
        ("unbound", "unbound", 53),
        ("Unbound.Mail.svc.cluster.local:5353", "unbound.mail.svc.cluster.local", 5353),
        ("my_resolver:53", "my_resolver", 53),
        ("127.0.0.1", "127.0.0.1", 53),
        ("[::1]:5353", "::1", 5353),
        ("2001:db8::1", "2001:db8::1", 53),
    ],
)
def test_a_resolver_is_an_address_or_a_name(written_as: str, host: str, port: int) -> None:
    """A resolver is an address or a host name, with or without a port."""
    assert parse_resolver(written_as) == Endpoint(host, port)


@pytest.mark.parametrize(
    "wrong", ["", ":53", "127.0.0.256", "300.1.1.1:53", "a b", "unbound:x", "unbound:99999", "https://x"]
)
def test_what_is_no_resolver_is_a_fault(wrong: str) -> None:
    """A text that is no resolver, like a mistyped address, is a fault."""
    with pytest.raises(ValueError, match="must be the IP address or host name"):
        parse_resolver(wrong)


def test_an_address_that_no_query_can_go_to_is_a_fault(tmp_path: Path) -> None:
    """Port 0 is no resolver's, and an address with an interface (fe80::1%eth0) is no address of the world's."""
    section = {
        "resolvers": ["127.0.0.1:0"],
        "public_ips": {"10.0.0.2": "fe80::1%eth0"},
        "targets": ["fe80::1%eth0"],
    }
    with pytest.raises(ConfigError) as refusal:
        read_configuration(written(tmp_path, {"dnsbl": section}), {})
    found = {fault.key: fault.problem for fault in refusal.value.faults}
    assert found.keys() == {"dnsbl.resolvers.0", "dnsbl.public_ips.10.0.0.2", "dnsbl.targets.0.target"}
    assert found["dnsbl.resolvers.0"].endswith("with a port from 1 to 65535")
    assert found["dnsbl.public_ips.10.0.0.2"].endswith("without the name of an interface")
    assert found["dnsbl.targets.0.target"] == TARGET_FORM
