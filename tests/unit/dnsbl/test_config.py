"""Settings and their plan: defaults, faults, secrets, limits."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from duckwatch.base.config.fields import members
from duckwatch.base.errors import ConfigError
from examples.generate import entries
from exporters.dnsbl.checking.checks import pairs_of
from exporters.dnsbl.config import load
from exporters.dnsbl.config.model import DnsblSettings, Section, Settings
from exporters.dnsbl.lists.catalogue import Use, catalogue
from exporters.dnsbl.lists.names import TARGET_FORM, TargetKind
from exporters.dnsbl.lists.names import target as target_of
from exporters.dnsbl.planning.plan import Plan, PlannedTarget
from exporters.dnsbl.planning.plan_loading import plan_of, read_configuration

SECRETS = ("key", "token")
ROOT = Path(__file__).parents[3]
SECRET = "s3cr3tcanary"


def written(folder: Path, document: object) -> Path:
    path = folder / "duckwatch.yml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document), encoding="utf-8")
    return path


def faults(folder: Path, section: Any, environ: dict[str, str] | None = None) -> dict[str, str]:
    """Return the faults of a wrong section."""
    with pytest.raises(ConfigError) as refusal:
        plan_of(load(written(folder, {"dnsbl": section}), environ or {}).dnsbl)
    found = {fault.key: fault.problem for fault in refusal.value.faults}
    assert len(found) == len(refusal.value.faults)
    assert SECRET not in str(refusal.value) + repr(refusal.value)
    return found


def planned(folder: Path, **section: Any) -> Plan:
    return plan_of(load(written(folder, {"dnsbl": section}), {}).dnsbl)


def test_nothing_has_to_be_set() -> None:
    """Without file and environment the free lists of the catalogue are asked, and there are no targets."""
    plan = plan_of(load(None, {}).dnsbl)
    assert plan.targets == ()
    assert {one.zone for one in plan.lists} == {zone for zone, entry in catalogue().items() if entry.is_default}
    assert all(one.queries_per_minute == 100 and one.interval == timedelta(minutes=5) for one in plan.lists)


def test_only_lists_free_for_everyone_are_asked_unnamed() -> None:
    """A list with terms of use is asked only if the operator names it."""
    assert all(entry.use is Use.EVERYONE for entry in catalogue().values() if entry.is_default)
    assert not catalogue()["zen.spamhaus.org"].is_default


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    """Every fault is reported at once with its key and what would be right, and no secret is quoted."""
    section = {
        "targts": [],
        "targets": ["192.0.2.1/28", 5, {"target": "a.example", "intervall": "30s"}, "localhost"],
        "lists": [
            {"zone": "zen"},
            {"zone": "bl.example", "kind": "x", "key": f"{SECRET}.x", "codes": {"8.8.8.8.8": "bad"}},
        ],
        "resolvers": ["my resolver"],
        "interval": "5s",
        "limits": {"targets": 0, "in_flight_per_list": "many"},
        "collector": {"url": f"http://u:{SECRET}@h", "token_file": "/nowhere"},
        "public_ips": {"10.0.0.1": "nat"},
        "listen": "[::1",
    }
    assert faults(tmp_path, section) == {
        "dnsbl.collector.token_file": "cannot be read (FileNotFoundError): name a file that this user can read",
        "dnsbl.listen": "must be HOST:PORT like 127.0.0.1:9627 or [::1]:9627",
        "dnsbl.resolvers.0": (
            "must be the IP address or host name of a resolver, like 127.0.0.1, [::1]:53 or unbound:53"
        ),
        "dnsbl.targets.0.target": "is not the first address of its range: 192.0.2.0/28 would be",
        "dnsbl.targets.1.target": TARGET_FORM,
        "dnsbl.targets.2.intervall": "is not a known key: did you mean interval?",
        "dnsbl.targets.3.target": TARGET_FORM,
        "dnsbl.lists.0.zone": "must be the name of a zone like bl.example.org",
        "dnsbl.lists.1.kind": "must be 'address' or 'domain'",
        "dnsbl.lists.1.key": "must be one label of a name: letters, digits and hyphens",
        "dnsbl.lists.1.codes.8.8.8.8.8": "must be an answer like 127.0.0.2 or a range of them like 127.0.0.4/30",
        "dnsbl.interval": "must be at least 10s",
        "dnsbl.limits.targets": "must be more than 0",
        "dnsbl.limits.in_flight_per_list": "must be a whole number",
        "dnsbl.collector.url": (
            "must be a URL like http://127.0.0.1:9626, without user and password: token is a key of its own"
        ),
        "dnsbl.public_ips.10.0.0.1": "must be an IP address like 192.0.2.5 or 2001:db8::5",
        "dnsbl.targts": "is not a known key: did you mean targets?",
    }


def test_a_former_severity_is_an_error_that_says_what_to_type(tmp_path: Path) -> None:
    """A former severity is a fault that names the new word; any other word is answered with the three known ones."""
    section = {
        "lists": [
            {"zone": "bl.example", "severity": "page", "codes": {"127.0.0.2": {"severity": "ticket"}}},
            {"zone": "good.example", "severity": "critical", "codes": {"127.0.0.2": {"severity": "warning"}}},
        ],
        "more_lists": [{"zone": "more.example", "severity": "ticket"}, {"zone": "odd.example", "severity": SECRET}],
    }
    known = "must be critical, warning or info"
    assert faults(tmp_path, section) == {
        "dnsbl.lists.0.severity": f"{known}: type critical instead of page",
        "dnsbl.lists.0.codes.127.0.0.2.severity": f"{known}: type warning instead of ticket",
        "dnsbl.more_lists.0.severity": f"{known}: type warning instead of ticket",
        "dnsbl.more_lists.1.severity": "must be 'critical', 'warning' or 'info'",
    }


def test_500_targets_fit_the_defaults_and_501_do_not(tmp_path: Path) -> None:
    """500 targets fit the defaults; for 501 the fault names the list and what would fit."""
    targets = [
        "192.0.2.0/24",
        "198.51.100.0/25",
        "203.0.113.0/26",
        "203.0.113.64/27",
        "203.0.113.96/28",
        "203.0.113.112/30",
    ]
    assert len(planned(tmp_path, targets=targets, lists=["bl.example"]).targets) == 500
    found = faults(tmp_path, {"targets": [*targets, "203.0.113.120"], "lists": ["bl.example"]})
    assert found == {
        "dnsbl.targets": "501 targets are 101 queries a minute to bl.example, which may be asked 100 times: "
        "500 targets would fit every 5m, or these at an interval of 301s"
    }
    assert faults(tmp_path, {"targets": targets, "lists": ["bl.example"], "limits": {"queries_per_minute": 99}}) == {
        "dnsbl.limits.queries_per_minute": "must be at least 100 for 500 targets at 1 lists every 5m"
    }


def test_an_urgent_target_counts_for_what_it_costs(tmp_path: Path) -> None:
    """A target with an interval of ten seconds counts as six queries a minute."""
    section = {"lists": ["bl.example"], "limits": {"queries_per_minute_per_list": 12}}
    urgent = [{"target": f"192.0.2.{last}", "interval": "10s"} for last in range(3)]
    planned(tmp_path, targets=urgent[:2], **section)
    asked = "to bl.example, which may be asked 12 times"
    assert faults(tmp_path, {"targets": urgent, **section})["dnsbl.targets"] == (
        f"3 targets are 18 queries a minute {asked}: the 3 with a shorter interval of their own leave no room for "
        f"others"
    )
    assert faults(tmp_path, {"targets": [urgent[0], "198.51.100.0/26"], **section})["dnsbl.targets"] == (
        f"65 targets are 19 queries a minute {asked}: 30 targets would fit every 5m beside the 1 with a shorter "
        f"interval of their own, "
        "or these at an interval of 640s"
    )


def test_the_shorter_interval_counts(tmp_path: Path) -> None:
    """The shortest interval of target, list and repeated entries counts, in any order of the entries."""
    lists = [{"zone": "slow.example", "interval": "1h"}, {"zone": "quick.example", "interval": "20s"}]
    urgent = {"target": "192.0.2.1", "interval": "10s"}
    for targets in (["192.0.2.0/31", urgent], [urgent, "192.0.2.0/31", {"target": "192.0.2.1", "interval": "30s"}]):
        plan = planned(tmp_path, targets=targets, lists=lists)
        found = {
            (pair.target.text, pair.dns_list.zone): pair.interval
            for pair in pairs_of(plan, plan.targets)
            if pair.target is not None
        }
        assert found == {
            ("192.0.2.0", "slow.example"): 3600.0,
            ("192.0.2.0", "quick.example"): 20.0,
            ("192.0.2.1", "slow.example"): 10.0,
            ("192.0.2.1", "quick.example"): 10.0,
        }
    host = {"target": "mx.example", "treat_as": "host"}
    (one,) = planned(
        tmp_path, targets=[host, host | {"interval": "10s"}, host | {"interval": "30s"}], lists=lists
    ).hosts
    assert one.interval == timedelta(seconds=10)


def test_what_is_found_later_is_taken_as_far_as_it_fits(tmp_path: Path) -> None:
    """Discovered targets are taken up to the limits, the others are counted, and configured ones stay."""
    plan = planned(tmp_path, targets=["192.0.2.0"], lists=["bl.example"], limits={"queries_per_minute_per_list": 1})
    found = [PlannedTarget(target_of(f"192.0.2.{last}")) for last in range(10)]
    targets, left_out = plan.with_found(found)
    assert [one.target.text for one in targets] == [f"192.0.2.{last}" for last in range(5)]
    assert left_out == 5
    urgent = PlannedTarget(target_of("192.0.2.0"), timedelta(minutes=1))
    assert plan.with_found([urgent, found[1]]) == ((urgent,), 1), "more often, and so no room for another"
    assert plan.with_found([replace(urgent, interval=timedelta(seconds=30))]) == (plan.targets, 0)


def test_a_range_has_its_first_and_last_address(tmp_path: Path) -> None:
    """A range includes its first and last address, and one that is too large is a fault with the limit."""
    plan = planned(tmp_path, targets=["192.0.2.0/30", "2001:db8::/126"])
    assert [one.target.text for one in plan.targets] == [
        *("192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.2.3"),
        *("2001:db8::", "2001:db8::1", "2001:db8::2", "2001:db8::3"),
    ]
    assert faults(tmp_path, {"targets": ["2001:db8::/64"]}) == {
        "dnsbl.targets.0": "makes more than 4096 targets (dnsbl.limits.targets)"
    }


def test_a_name_is_a_host_and_a_domain_unless_told(tmp_path: Path) -> None:
    """A name is checked as host and as domain, unless `treat_as` says otherwise."""
    plan = planned(
        tmp_path,
        targets=[
            "Mail.Example.",
            {"target": "a.example", "treat_as": "host"},
            {"target": "b.example", "treat_as": "domain"},
        ],
    )
    assert [one.name for one in plan.hosts] == ["mail.example", "a.example"]
    assert [(one.target.text, one.target.kind) for one in plan.targets] == [
        ("mail.example", TargetKind.DOMAIN),
        ("b.example", TargetKind.DOMAIN),
    ]


def test_a_list_of_the_catalogue_needs_only_its_zone(tmp_path: Path) -> None:
    """A list of the catalogue needs only its zone; configured codes come before the catalogue's."""
    (zen,) = planned(
        tmp_path, lists=[{"zone": "ZEN.spamhaus.org.", "codes": {"127.0.0.10": {"effect": "clean"}}}]
    ).lists
    assert zen.ipv6
    assert zen.codes[0][1].effect == "clean"
    assert len(zen.codes) == 8


def test_a_key_goes_before_the_zone_and_is_never_shown(tmp_path: Path) -> None:
    """A key from its file is put before the zone in queries, and the label is the zone without it."""
    (tmp_path / "key").write_text(f"{SECRET}\n")
    lists = [{"zone": "zen.dq.spamhaus.net", "key_file": str(tmp_path / "key")}]
    (dqs,) = planned(tmp_path, lists=lists).lists
    assert dqs.wire.startswith(bytes([len(SECRET)]) + SECRET.encode() + b"\3zen")
    assert dqs.zone == "zen.dq.spamhaus.net"
    assert SECRET not in repr(dqs)
    assert (
        dqs.without_key(f"see {SECRET} or {SECRET.swapcase()}") == "see *** or ***"
    )  # a list may repeat the random case of the query
    assert faults(tmp_path, {"lists": ["zen.dq.spamhaus.net"]}) == {
        "dnsbl.lists.0.key": "must be set (or key_file): this list answers only with a key"
    }


@pytest.mark.parametrize(
    "zone",
    [
        "abcdefghijklmnopqrstuvwxyz.zen.dq.spamhaus.net",
        f"{SECRET}.authbl.dq.spamhaus.net",
        f"_email.{SECRET}.hbl.dq.spamhaus.net",
        f"{SECRET}.combined.mail.abusix.zone",
        "0123456789abcdef0123456789abcdef.bl.example",
    ],
)
def test_a_key_within_the_zone_is_a_fault(tmp_path: Path, zone: str) -> None:
    """A key inside the zone is a fault that says where it belongs, without quoting it."""
    found = faults(tmp_path, {"lists": [{"zone": zone}]})
    assert found == {
        "dnsbl.lists.0.zone": (
            "must not hold the list's key: put the key into a file for key_file, and here the zone without it"
        )
    }


def test_zones_without_a_key_are_taken(tmp_path: Path) -> None:
    """Zones without a key are accepted, also long names."""
    zones = ["bl.mailspike.net", "xn--bcher-kva.example", "blocklist-of-long-standing-2026.example"]
    keyed = [{"zone": f"{name}.dq.spamhaus.net", "key": SECRET} for name in ("authbl", "zen")]
    assert len(planned(tmp_path, lists=[*zones, *keyed]).lists) == 5


def test_the_environment_wins_and_null_unsets(tmp_path: Path) -> None:
    """The environment overrides the file, with lists and maps as JSON, and null unsets a key."""
    path = written(tmp_path, {"dnsbl": {"interval": "1m", "lists": ["bl.example"]}})
    settings = load(
        path,
        {
            "DUCKWATCH_DNSBL__LISTEN": "[::1]:9000",
            "DUCKWATCH_DNSBL__LISTS": "null",
            "DUCKWATCH_DNSBL__TARGETS": '["192.0.2.1"]',
            "DUCKWATCH_DNSBL__LIMITS__QUERIES_PER_MINUTE_PER_LIST": "null",
            "DUCKWATCH_COLLECTOR__LISTEN": "not ours",
        },
    ).dnsbl
    assert settings.listen == ("::1", 9000)
    assert settings.lists is None
    assert len(settings.targets) == 1
    assert settings.limits.queries_per_minute_per_list is None
    assert faults(tmp_path, {}, {"DUCKWATCH_DNSBL__TARGETS": '["192.0.2.1"'}) == {
        "dnsbl.targets": "must be JSON (a list or a map) in DUCKWATCH_DNSBL__TARGETS"
    }


def test_target_files_are_read_in_both_forms(tmp_path: Path) -> None:
    """Target files are plain lines or file_sd (JSON, YAML), whose ports are removed."""
    (tmp_path / "plain.txt").write_text("# ours\n192.0.2.1  # mx1\n\n2001:db8::/127\n")
    (tmp_path / "sd.json").write_text('[{"targets": ["192.0.2.7:25", "[2001:db8::9]:25"], "labels": {"x": "y"}}]')
    (tmp_path / "sd.yml").write_text("- targets: [mail.example:9100]\n")
    plan = planned(tmp_path, target_files=[f"{tmp_path}/plain.txt", f"{tmp_path}/sd.*"])
    assert [one.target.text for one in plan.targets] == [
        *("192.0.2.1", "2001:db8::", "2001:db8::1", "192.0.2.7", "2001:db8::9", "mail.example")
    ]
    assert [one.name for one in plan.hosts] == ["mail.example"]


def test_a_wrong_target_file_is_named_with_its_place(tmp_path: Path) -> None:
    """Faults of a target file name file, line or group and what would be right, at most ten a file."""
    (tmp_path / "plain.txt").write_text("192.0.2.1\n" + "nonsense\n" * 50)
    (tmp_path / "sd.json").write_text('[{"targets": "192.0.2.7"}]')
    found = faults(tmp_path, {"target_files": [f"{tmp_path}/plain.txt", f"{tmp_path}/sd.json", "/nowhere/x"]})
    assert len(found) == 12
    assert f"dnsbl.target_files.0 ({tmp_path}/plain.txt, line 2)" in found
    assert found[f"dnsbl.target_files.1 ({tmp_path}/sd.json, group 1)"].startswith("must be a mapping")
    assert "dnsbl.target_files.2 (/nowhere/x)" in found


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
"""Twelve lines whose aliases expand to 9^11 nodes."""


@pytest.mark.parametrize(
    "text",
    [
        *("x: !!timestamp y", "x: !!int ''", "x: !!float ''", "x: !!bool y", "2001-99-99", "a: 1\na: 2", "[" * 5000),
        *("dnsbl: *nowhere", "a: &a [*a]", "a: &a {<<: *a}", LAUGHS, LAUGHS.replace("[", "{<<: [").replace("]", "]}")),
    ],
)
def test_yaml_that_is_none_is_a_fault(tmp_path: Path, text: str) -> None:
    """Invalid YAML is a fault, also YAML that crashes PyYAML, contains itself, or explodes by its aliases."""
    with pytest.raises(ConfigError):
        load(Path(written(tmp_path, text)), {})
    (tmp_path / "sd.yml").write_text(text)
    assert "must be" in str(faults(tmp_path, {"target_files": [f"{tmp_path}/sd.yml"]}))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates() | st.just("192.0.2.1"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
INNER = st.dictionaries(
    st.sampled_from(
        ["target", "treat_as", "interval", "zone", "kind", "key", "key_file", "codes", "test", "url", "post"]
    ),
    ANYTHING,
)


@given(st.dictionaries(st.sampled_from([*DnsblSettings.model_fields]), ANYTHING | INNER | st.lists(INNER, max_size=3)))
def test_any_document_is_settings_or_faults(tmp_path_factory: pytest.TempPathFactory, section: Any) -> None:
    """Any document gives settings or faults, because a running exporter must not end on a reload."""
    path = tmp_path_factory.mktemp("any") / "duckwatch.yml"
    path.write_text(yaml.safe_dump({"dnsbl": section}), encoding="utf-8")
    with contextlib.suppress(ConfigError):
        read_configuration(path, {})


@given(st.text(max_size=80))
def test_any_text_is_a_target_or_a_fault(text: str) -> None:
    """Any line of a target file gives a target or a fault."""
    from exporters.dnsbl.lists import names

    try:
        found = names.parse(text)
    except ValueError:
        return
    if isinstance(found, str):
        assert names.domain(found) == found
        assert len(names.target(found).wire) < names.MAX_NAME_BYTES


def test_the_reference_lists_every_key() -> None:
    """docs/configuration.md has an entry for every key of the section `dnsbl`, and for no other; secrets are marked."""
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    found = [one for one in entries(page) if one.key.startswith("dnsbl.")]
    keys = set(_keys(Settings.model_fields["dnsbl"].annotation, "dnsbl"))
    assert {one.key for one in found} == {key for key in keys if not key.startswith("dnsbl.more_lists[]")}
    assert {one.key.rpartition(".")[2] for one in found if one.is_secret} == set(SECRETS)


def _keys(model: Any, prefix: str) -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        key = f"{prefix}.{name}"
        inner = next(iter(members(field.annotation, Section)), None)
        text = str(field.annotation)
        if inner is None or "tuple" in text or "dict" in text or "None" in text:
            found.append(key)
        if inner is not None:
            found += _keys(inner, f"{key}[]" if "tuple" in text else f"{key}.CODE" if "dict" in text else key)
        assert (SecretStr.__name__ in text) == (name in SECRETS)
    return found


def test_the_documentations_example_is_valid(tmp_path: Path) -> None:
    """The example of the documentation is valid, once its secret files exist."""
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    (example,) = [one for one in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if one.startswith("dnsbl:")]
    for name in ("dqs", "eu1"):
        (tmp_path / name).write_text("value", encoding="utf-8")
    path = written(tmp_path, example.replace("/run/secrets", str(tmp_path)))
    assert len(plan_of(load(path, {}).dnsbl).targets) == 18


def test_the_program_says_every_fault_and_exits_2(tmp_path: Path) -> None:
    """With a wrong file the program prints one line for each fault, no traceback, and exits with 2."""
    path = written(
        tmp_path, {"dnsbl": {"listen": "x", "interval": "1", "lists": [{"zone": "bl.example", "key": [SECRET]}]}}
    )
    ended = subprocess.run(
        [sys.executable, "-m", "exporters.dnsbl", "--config", path, "check-config"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    keys = [line.partition(": must be ")[0] for line in ended.stderr.splitlines()]
    assert keys == ["dnsbl.listen", "dnsbl.lists.0.key", "dnsbl.interval"]
    assert SECRET not in ended.stderr


def test_the_documentation_shows_the_catalogue() -> None:
    """docs/dnsbl.md has a row for each list of the catalogue, with its terms and pages."""
    page = (ROOT / "docs/dnsbl.md").read_text(encoding="utf-8")
    for zone, entry in catalogue().items():
        (item,) = re.findall(rf"^- `{re.escape(zone)}`: .*(?:\n  .*)*", page, re.MULTILINE)
        first, terms, delisting = item.splitlines()
        takes = f"{entry.dns_list.kind}, IPv6 too" if entry.dns_list.ipv6 else entry.dns_list.kind
        asked = f"`{entry.use}` (asked by default)" if entry.is_default else f"`{entry.use}`"
        assert first == f"- `{zone}`: {takes}; {asked}; public resolvers: {entry.public}."
        assert terms == f"  Terms: <{entry.terms}>;"
        assert delisting == f"  delisting: <{entry.dns_list.delisting}>."


@pytest.mark.parametrize(
    "key",
    [
        "LISTEN",
        "RESOLVERS",
        "TIMEOUT",
        "INTERVAL",
        "LIMITS",
        "LIMITS__TARGETS",
        "COLLECTOR",
        "COLLECTOR__TOKEN",
        "LISTS",
    ],
)
def test_null_in_the_environment_unsets_a_key(tmp_path: Path, key: str) -> None:
    """Null in the environment gives a key its default, and does not create the section `collector`."""
    assert load(None, {f"DUCKWATCH_DNSBL__{key}": "null"}) == load(None, {})
    path = tmp_path / "null.yml"
    path.write_text(
        "dnsbl: {timeout: 3s, interval: 7m, limits: {targets: 5}, resolvers: [192.0.2.1]}", encoding="utf-8"
    )
    section, name = load(path, {f"DUCKWATCH_DNSBL__{key}": "null"}).dnsbl, key.lower().partition("__")[0]
    default = load(None, {}).dnsbl
    assert getattr(section, name) == getattr(default, name)


def test_a_url_with_a_password_is_refused(tmp_path: Path) -> None:
    """A URL with a password is refused, also if an unencoded character moved it into the path."""
    for url in ("http://u:Fir5t@h:1", "http://:Fir5t@h:1", "http://u:Fir5t/Secr3t@h:1", "http://u:1/Secr3t@h"):
        with pytest.raises(ConfigError, match=r"dnsbl\.collector\.url: must be a URL") as error:
            load(None, {"DUCKWATCH_DNSBL__COLLECTOR__URL": url})
        assert "Secr3t" not in str(error.value)


def test_a_tab_is_named_by_its_place(tmp_path: Path) -> None:
    """A tab as indentation is named with its place, which PyYAML's own message does not."""
    path = tmp_path / "tab.yml"
    path.write_text("dnsbl:\n\ttimeout: 3s\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"tab\.yml, line 2, column 1: has a tab"):
        load(path, {})
