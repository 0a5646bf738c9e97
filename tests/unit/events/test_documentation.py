"""docs/events.md says what the tables say."""

from __future__ import annotations

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
    """A member that the page lacks is undocumented."""
    assert Action.OTHER in PAGE
    assert [word for word in words if word not in PAGE] == []


def test_each_signal_has_its_row() -> None:
    """Provider, code, meaning and reason stand in one line."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    for signal in SIGNALS:
        assert any(
            line.startswith(f"| {signal.provider} |")
            and f"`{signal.code}`" in line
            and line.endswith(f"| {signal.meaning} | {signal.reason} |")
            for line in lines
        ), signal
