"""The generated limits: which names and levels there are, and faults that are told."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from duckwatch.rules.generate import check_names, rendered
from duckwatch.rules.limits import limit_rules, limits_used
from duckwatch.rules.pack import RULES

if TYPE_CHECKING:
    from pathlib import Path


def test_the_committed_files_are_what_the_generator_makes() -> None:
    """`make generate` changes nothing."""
    for path, text in rendered().items():
        assert (RULES / path).read_text(encoding="utf-8") == text, path


def test_a_limit_is_found_once_whatever_is_around_it() -> None:
    """The pairs of level and name come from all expressions, sorted, each once; other series are none."""
    found = limits_used(
        ["a > zone:duckwatch_x:limit", "(zone:duckwatch_x:limit)\n+all:duckwatch_y_z:limit", "zone:a:limit"]
    )
    assert found == [("all", "y_z"), ("zone", "x")]


def test_the_lines_with_more_labels_come_first() -> None:
    """Each subset of labels is a term, larger subsets first, and reads the lines with exactly these labels."""
    rules = {rule["record"]: rule["expr"] for rule in limit_rules([("mail_cluster_zone", "x")])}
    lines = {
        name: expr.partition("{")[2].partition("\n")[0]
        for name, expr in rules.items()
        if name.endswith(":duckwatch_threshold:line")
    }
    assert lines == {
        "name:duckwatch_threshold:line": 'provider="",zone="",mail_cluster=""}',
        "name_mail_cluster:duckwatch_threshold:line": 'provider="",zone="",mail_cluster!=""}',
        "name_zone:duckwatch_threshold:line": 'provider="",zone!="",mail_cluster=""}',
        "name_zone_mail_cluster:duckwatch_threshold:line": 'provider="",zone!="",mail_cluster!=""}',
    }
    assert list(rules)[len(lines) :] == [
        "mail_cluster_zone:duckwatch_limits:known",
        "mail_cluster_zone:duckwatch_limits:overridden",
        "mail_cluster_zone:duckwatch_x:limit",
    ]
    terms = [term.split() for term in rules["mail_cluster_zone:duckwatch_x:limit"].split("\nor ")]
    assert [(term[0].rpartition(":")[2], term[-1]) for term in terms] == [
        ("overridden", 'name_zone_mail_cluster:duckwatch_threshold:line{name="x"}'),
        ("overridden", 'name_zone:duckwatch_threshold:line{name="x"}'),
        ("overridden", 'name_mail_cluster:duckwatch_threshold:line{name="x"}'),
        ("known", 'name:duckwatch_threshold:line{name="x"}'),
    ]


def test_a_level_without_known_values_is_refused() -> None:
    """A limit by a label that has no list of values is an error, not an empty series."""
    with pytest.raises(KeyError):
        list(limit_rules([("zone", "x")]))


@pytest.mark.parametrize(("remove", "add"), [("queue_least_messages", None), (None, "no_such_name")])
def test_names_and_alerts_agree(tmp_path: Path, remove: str | None, add: str | None) -> None:
    """A name that thresholds.yml lacks, and one that no alert compares with, is named in the error."""
    shutil.copytree(RULES, tmp_path / "rules")
    path = tmp_path / "rules" / "thresholds.yml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    for group in document["groups"]:
        group["rules"] = [rule for rule in group["rules"] if rule["labels"]["name"] != remove]
    if add:
        document["groups"][0]["rules"].append(
            {"record": "name:duckwatch_threshold:value", "labels": {"name": add}, "expr": "1"}
        )
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(ValueError, match=remove or add):
        rendered(tmp_path / "rules")


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"zone": "bulk", "cluster": "eu1"}, "the label cluster, which no limit knows"),
        ({"mail_cluster": ""}, "two lines with the same labels"),
    ],
)
def test_a_line_that_no_limit_can_use_is_refused(tmp_path: Path, labels: dict[str, str], told: str) -> None:
    """`cluster` is what settings call a mail cluster, and an empty label is none: `check` tells of both."""
    shutil.copytree(RULES, tmp_path / "rules")
    path = tmp_path / "rules" / "thresholds.yml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    line = {
        "record": "name:duckwatch_threshold:value",
        "labels": {"name": "queue_least_messages", **labels},
        "expr": "1",
    }
    document["groups"][0]["rules"].append(line)
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(ValueError, match=told):
        check_names(tmp_path / "rules")
