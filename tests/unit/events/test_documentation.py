"""docs/events.md agrees with the tables of the code."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from collector.events.model.event import COLUMNS, Action, BounceKind, Provider, Reason, RejectReason, Source
from collector.events.model.side_tables import AuditEvent, AuthEvent, DnsblResult
from collector.events.replies.provider import SUFFIXES
from collector.events.replies.provider_codes import SIGNALS
from collector.events.replies.reason import BY_CATEGORY
from collector.events.sources.authlog import PROTOCOLS, RESULTS
from collector.events.sources.dnsbl import SEVERITIES, VERDICTS
from collector.events.sources.zonemta import ACTIONS

PAGE = (Path(__file__).parents[3] / "docs" / "events.md").read_text()


def section(heading: str) -> str:
    """The text below the one heading that begins so, up to the next of its level."""
    (found,) = (part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE) if part.startswith(heading))
    return found


@pytest.mark.parametrize(
    "words",
    [
        [f"`{column}`" for column in COLUMNS if column != "raw"],
        ACTIONS,
        [f"`{action}`" for action in ACTIONS.values()],
        set(Reason),
        [f"`{kind}`" for kind in BounceKind],
        [f"`{source}`" for source in Source],
        [f"`{column}`" for kind in (DnsblResult, AuditEvent, AuthEvent) for column in kind.__struct_fields__],
        {*PROTOCOLS.values(), *RESULTS.values()},
        [f"`{word}`" for word in (*VERDICTS, *SEVERITIES)],
        set(Provider),
        [f"`{reason}`" for reason in RejectReason],
        [f"`{domain}`" for domain in SUFFIXES],
        list(BY_CATEGORY),
        [f"`{signal.code}`" for signal in SIGNALS],
    ],
    ids=[
        "columns",
        "words",
        "actions",
        "reasons",
        "kinds",
        "sources",
        "tables",
        "logins",
        "verdicts",
        "providers",
        "rejections",
        "domains",
        "categories",
        "codes",
    ],
)
def test_the_page_names_every_member(words: list[str]) -> None:
    """The page names every member of the closed sets."""
    assert Action.OTHER in PAGE
    assert [word for word in words if word not in PAGE] == []


def test_each_signal_has_its_row() -> None:
    """Each provider code has a row with provider, meaning and reason."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    for signal in SIGNALS:
        assert any(
            line.startswith(f"| {signal.provider} |")
            and f"`{signal.code}`" in line
            and line.endswith(f"| {signal.meaning} | {signal.reason} |")
            for line in lines
        ), signal


@pytest.mark.parametrize(
    ("heading", "columns"),
    [
        ("2. Columns", [column for column in COLUMNS if column != "raw"]),
        ("WildDuck's webhooks", AuditEvent.__struct_fields__),
        ("Logins", AuthEvent.__struct_fields__),
        ("DNSBL results", DnsblResult.__struct_fields__),
    ],
)
def test_each_column_has_its_rule(heading: str, columns: list[str]) -> None:
    """Every column begins one item of its table's section, alone or with others: "- **`a`, `b`**: …"."""
    heads = re.findall(r"^- \*\*(`\w+`(?:, `\w+`)*)\*\*: \S", section(heading), re.MULTILINE)
    assert sorted(name for head in heads for name in re.findall(r"\w+", head)) == sorted(columns)


def test_each_action_has_its_row() -> None:
    """ZoneMTA's word, and the action that it becomes."""
    rows = re.findall(r"^  \| (\w+) \| `(\w+)` \|$", section("2. Columns"), re.MULTILINE)
    assert dict(rows) == {word: action.value for word, action in ACTIONS.items()}
    assert len(rows) == len(ACTIONS)


def test_each_provider_has_its_domains() -> None:
    """One item for each provider, with all domains of its MX hosts."""
    wanted = defaultdict(set)
    for domain, provider in SUFFIXES.items():
        wanted[provider.value].add(domain)
    items = re.findall(r"^- \*\*(\w+)\*\*: (`.*(?:\n  .*)*)", section("5. Providers"), re.MULTILINE)
    assert {name: set(re.findall(r"`([^`]+)`", domains)) for name, domains in items} == wanted
    assert len(items) == len(wanted)
