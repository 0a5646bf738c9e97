"""examples/duckwatch.yml is generated from the models and docs/configuration.md, and sets every key to its default."""

from __future__ import annotations

import re
from typing import Any

import yaml

from collector.config.model import Settings as CollectorSettings
from duckwatch.base.config.loading import load
from examples.generate import EXAMPLE, ROOT, descriptions
from exporters.dnsbl.config.model import Settings as DnsblSettings
from grafana.config import DashboardDocument


def uncommented(text: str) -> str:
    """Return the file with the keys in its comments: those of lists and sections that do not exist by default."""
    while True:
        more = re.sub(r"^( *)#(?! \S)", r"\1", text, flags=re.MULTILINE)
        if more == text:
            return text
        text = more


def keys_of(value: Any, prefix: str) -> set[str]:
    """Return every key below, in the form of docs/configuration.md."""
    if isinstance(value, list):
        return {prefix} | {key for one in value for key in keys_of(one, f"{prefix}[]")}
    if not isinstance(value, dict):
        return {prefix}
    return {prefix} | {found for key, one in value.items() for found in keys_of(one, f"{prefix}.{key}")}


def test_each_program_reads_it_and_finds_its_defaults() -> None:
    """Both programs load the file and find their defaults, so that a user can begin with it."""
    assert load(CollectorSettings, EXAMPLE, {}).settings == CollectorSettings()
    assert load(DnsblSettings, EXAMPLE, {}).settings == DnsblSettings()
    assert load(DashboardDocument, EXAMPLE, {}).settings == DashboardDocument()


def test_it_has_every_key_and_a_text_for_each() -> None:
    """The file has a text for every key, also in lists and sections that do not exist by default."""
    texts = descriptions((ROOT / "docs" / "configuration.md").read_text(encoding="utf-8"))
    text = EXAMPLE.read_text(encoding="utf-8")
    document = yaml.safe_load(uncommented(text))
    assert set(texts) <= {key for name, section in document.items() for key in keys_of(section, name)}
    prose = " ".join(re.sub(r"^[ #]*", "", line) for line in text.splitlines() if "# " in line)
    assert [key for key, one in texts.items() if " ".join(one.split()[:4]) not in prose] == []
