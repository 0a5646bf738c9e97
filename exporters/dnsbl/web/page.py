"""The HTML page: what needs attention, then each target and list with verdict, age and reason.

On a narrow screen each table row becomes a block. There are no scripts, and every text from outside is escaped.
"""

from __future__ import annotations

import time
from html import escape
from typing import TYPE_CHECKING, Final

from exporters.dnsbl.verdicts.verdict import VerdictKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporters.dnsbl.checking.current_verdicts import CurrentVerdicts, PairState
    from exporters.dnsbl.schedule import Pair
    from exporters.dnsbl.web.notices import Notice

MAX_ROWS: Final = 20_000
"""With more rows than this, the page leaves out the clean ones."""
MAX_NOTICES: Final = 500

_IS: Final = ' data-is="{}"'
"""The attribute that names a cell on a narrow screen, where the table's head is hidden."""

_ORDER: Final = {VerdictKind.LISTED: 0, VerdictKind.REFUSED: 1, VerdictKind.ERROR: 2, VerdictKind.CLEAN: 3}
_HEAD: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>DNS blocklists</title>
<meta name="viewport" content="width=device-width"><style>
body{font:15px/1.4 system-ui,sans-serif;margin:1.5rem;color:#222;background:#fff;overflow-wrap:break-word}h2{font-size:1.1rem}
table{border-collapse:collapse}td,th{padding:.2rem .7rem;text-align:left;border-bottom:1px solid #ddd;vertical-align:top}
.listed{color:#b00020;font-weight:600}.refused,.error,.notice{color:#8a6d00}.clean{color:#1b6e3c}small{color:#666}
@media(max-width:50rem){body{margin:.8rem;overflow-wrap:anywhere}table,tbody{display:block}th{display:none}tr{display:block;padding:.5rem 0;border-bottom:1px solid #ddd}
td{display:block;padding:.1rem 0;border:0}td:empty{display:none}td[data-is]::before{content:attr(data-is) ": ";opacity:.7}}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}td,th,tr{border-color:#333}.listed{color:#ff6b6b}a{color:#8ab4f8}
small{color:#999}.refused,.error,.notice{color:#e0c060}.clean{color:#7fc89a}}</style><h1>DNS blocklists</h1>
"""


def page(current: CurrentVerdicts, pairs: Iterable[Pair], notices: Sequence[Notice] = ()) -> str:
    """Return the whole page as HTML."""
    rows = [(pair, current.row(pair.target.text, pair.dns_list.zone)) for pair in pairs if pair.target is not None]
    counts = {kind: sum(row is not None and row.last.kind is kind for _, row in rows) for kind in VerdictKind}
    waiting = sum(row is None for _, row in rows)
    shown = (
        rows
        if len(rows) <= MAX_ROWS
        else [one for one in rows if one[1] is not None and one[1].last.kind is not VerdictKind.CLEAN]
    )
    shown.sort(
        key=lambda one: (
            _ORDER[one[1].last.kind] if one[1] else len(_ORDER),
            one[0].target.text if one[0].target else "",
        )
    )
    now_ms = time.time_ns() // 1_000_000
    told = " · ".join(f'<span class="{kind.value}">{count} {kind.value}</span>' for kind, count in counts.items())
    body = "".join(_row(pair, row, now_ms) for pair, row in shown[:MAX_ROWS])
    left_out = (
        f"<p>{len(rows) - len(shown[:MAX_ROWS])} more are not shown.</p>" if len(rows) > len(shown[:MAX_ROWS]) else ""
    )
    return (
        f"{_HEAD}<p>{told} · {waiting} not checked yet · <a href='metrics'>metrics</a></p>{_attention(notices)}"
        "<h2>Targets</h2><table><tr><th>target<th>list<th>verdict<th>stands<th>checked<th>why</tr>"
        f"{body}</table>{left_out}"
    )


def _attention(notices: Sequence[Notice]) -> str:
    if not notices:
        return ""
    rows = "".join(
        f'<tr><td>{escape(one.subject)}<td class="notice">{escape(one.state)}<td>{escape(one.what)}'
        f"<td{_IS.format('what to do') if one.to_do else ''}>{escape(one.to_do or '')}</tr>"
        for one in notices[:MAX_NOTICES]
    )
    more = f"<p>{len(notices) - MAX_NOTICES} more are not shown.</p>" if len(notices) > MAX_NOTICES else ""
    head = "<h2>Needs attention</h2><table><tr><th>what<th>state<th>why<th>what to do</tr>"
    return f"{head}{rows}</table>{more}"


def _row(pair: Pair, row: PairState | None, now_ms: int) -> str:
    assert pair.target is not None
    name = f" <small>{escape(pair.name)}</small>" if pair.name else ""
    start = f"<tr><td>{escape(pair.target.text)}{name}<td>{escape(pair.dns_list.zone)}"
    if row is None:
        return f"{start}<td colspan=4><small>not checked yet</small></tr>"
    kind = row.last.kind.value
    stands = f"nothing, {row.lapsed.kind.value} before" if row.lapsed else "nothing"
    if row.real is not None:
        stands = f"{row.real.kind.value}, {_age(now_ms - (row.since_ms or now_ms))}"
    checked = f"<td{_IS.format('checked')}>{_age(now_ms - row.checked.epoch_ms)} ago"
    return f'{start}<td class="{kind}">{kind}<td{_IS.format("stands")}>{stands}{checked}<td>{_why(pair, row)}</tr>'


def _why(pair: Pair, row: PairState) -> str:
    if row.last.kind is VerdictKind.CLEAN and row.last.detail == "not_listed":
        return ""
    parts = [escape(f"{code.code} {code.meaning} ({code.severity.value})") for code in row.last.codes]
    parts = parts or [escape(" ".join([row.last.detail.replace("_", " "), *row.last.answers]))]
    parts += [escape(text) for text in row.last.refusals]
    if row.last.kind is VerdictKind.REFUSED and row.last.advice:
        parts.append(f"what to do: {escape(row.last.advice)}")
    if row.reason and row.last.kind is VerdictKind.LISTED:
        parts.append(f"<small>{escape(row.reason)}</small>")
    if row.last.kind is VerdictKind.LISTED and pair.dns_list.delisting:
        parts.append(_link(pair.dns_list.delisting))
    return "<br>".join(parts)


def _link(address: str) -> str:
    is_web = address.startswith(("https://", "http://"))
    return f'<a rel="noreferrer" href="{escape(address)}">delisting</a>' if is_web else escape(address)


def _age(milliseconds: int) -> str:
    seconds = max(0, milliseconds // 1000)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
