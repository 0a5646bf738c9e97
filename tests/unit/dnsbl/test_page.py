"""The HTML page: what needs attention, escaping, narrow screens."""

from __future__ import annotations

import re

from exporters.dnsbl.checking.current_verdicts import CurrentVerdicts, Moment
from exporters.dnsbl.lists import DnsList
from exporters.dnsbl.lists.names import target
from exporters.dnsbl.schedule import Pair
from exporters.dnsbl.verdicts.lookup_result import Answer
from exporters.dnsbl.verdicts.verdict import judge
from exporters.dnsbl.web.notices import Notice
from exporters.dnsbl.web.page import MAX_NOTICES, page

REFUSING = DnsList("bl.example")


def shown(*notices: Notice) -> str:
    current, pair = CurrentVerdicts(), Pair(target("192.0.2.1"), REFUSING, 300.0)
    current.record(pair, judge(Answer(("127.255.255.254",), 60), REFUSING), Moment(0.0, 0))
    return page(current, [pair], notices)


def test_a_refused_target_says_what_to_do() -> None:
    """A refused target's row says what to do."""
    row = shown().partition("<h2>Targets</h2>")[2]
    assert "the list does not answer public resolvers" in row
    assert "use a resolver of your own (dnsbl.resolvers), or register with the list" in row


def test_what_needs_attention_is_escaped_and_bounded() -> None:
    """Notices are escaped and limited in number: a file may have any name, and thousands of names may fail."""
    text = shown(*(Notice(f"<i>{number}", "setting", "<b>", "<u>") for number in range(MAX_NOTICES + 7)))
    assert not re.search(r"<[ibu]>", text)
    assert "7 more are not shown." in text
    assert "Needs attention" not in shown()


def test_on_a_narrow_screen_each_cell_says_what_it_is() -> None:
    """On a narrow screen each cell is labelled, because the table's head is hidden."""
    text = shown(Notice("a.example", "does not resolve", "there is no such name", "correct the name"))
    assert '<meta name="viewport" content="width=device-width">' in text
    assert set(re.findall(r'data-is="([^"]+)"', text)) == {"stands", "checked", "what to do"}
    narrow = text[text.index("@media(max-width") :].partition("@media(prefers")[0]
    assert "td{display:block" in narrow
    assert "overflow-wrap:anywhere" in narrow
