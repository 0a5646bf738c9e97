"""Links between dashboards, by uid; they carry the time range and what the viewer has chosen.

Links to a dashboard that is not built are left out (`only_to`), so a page may link to one that joins later.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from grafana.fields import Json


class Board(StrEnum):
    """The uids of the dashboards, in the order of the bar on top of each. A uid never changes."""

    OVERVIEW = "duckwatch-overview"
    DELIVERY = "duckwatch-delivery"
    BOUNCES = "duckwatch-bounces"
    QUEUE = "duckwatch-queue"
    REPUTATION = "duckwatch-reputation"
    TENANTS = "duckwatch-tenants"
    TRACE = "duckwatch-trace"
    INBOUND = "duckwatch-inbound"
    MTA = "duckwatch-mta"
    DUCKWATCH = "duckwatch-duckwatch"


CARRIED = ("timescale", "prometheus", "cluster")
"""The variables that a link hands on unless it says otherwise: every dashboard has them but those of BARE."""

BARE = {Board.MTA: ("prometheus",)}
"""Dashboards that lack some of CARRIED, with those that they have."""

BOARD_PATH = re.compile(r"/d/(duckwatch-[a-z]+)")
MARKDOWN_LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<url>[^)\s]*)\)")


def address(
    board: Board,
    *,
    keep: Sequence[str] = (),
    values: Mapping[str, str] | None = None,
    span: tuple[str, str] | None = None,
) -> str:
    """Return the URL of a dashboard with the time range, the variables `keep` besides CARRIED,
    and others set to `values`: a variable's name to a text that Grafana fills in (`of_column`, `OF_SERIES`).

    `span` names two columns of the row that was clicked (epoch milliseconds, as text): the range that opens.
    """
    times = "${__url_time_range}" if span is None else f"from={of_column(span[0])}&to={of_column(span[1])}"
    set_here = values or {}
    carried = BARE.get(board, CARRIED)
    kept = [f"${{{name}:queryparam}}" for name in dict.fromkeys((*carried, *keep)) if name not in set_here]
    chosen = [f"var-{name}={value}" for name, value in set_here.items()]
    return f"/d/{board.value}?" + "&".join([times, *kept, *chosen])


def of_column(name: str) -> str:
    """Return what Grafana replaces by the value of this column in the row that was clicked."""
    return f'${{__data.fields["{name}"]:percentencode}}'


OF_SERIES = "${__field.labels.metric:percentencode}"
"""Grafana replaces it by the label `metric` of the series that was clicked."""


def to_board(
    board: Board,
    title: str,
    *,
    keep: Sequence[str] = (),
    values: Mapping[str, str] | None = None,
    span: tuple[str, str] | None = None,
) -> Json:
    """Return a link to a dashboard, for a panel's corner, a column, or the points of a series."""
    return {"title": title, "url": address(board, keep=keep, values=values, span=span), "targetBlank": False}


def to_web(title: str, url: str) -> Json:
    """Return a link to a page elsewhere, which opens beside the dashboard."""
    return {"title": title, "url": url, "targetBlank": True}


def in_text(board: Board, title: str) -> str:
    """Return a link to a dashboard in the Markdown of a text panel."""
    return f"[{title}]({address(board)})"


def bar(pages: Mapping[str, str], own: str, base: str = "") -> list[Json]:
    """Return the links on top of the dashboard `own` to all others.

    `pages` has each uid's title, and `base` the URL of Grafana, where links are to be whole.
    """
    order = [board.value for board in Board]
    ranked = sorted(pages, key=lambda uid: (order.index(uid) if uid in order else len(order), uid))
    return [_bar_link(f"{base}/d/{uid}", pages[uid]) for uid in ranked if uid != own]


def _bar_link(url: str, title: str) -> Json:
    link: Json = {"type": "link", "title": title, "url": url, "keepTime": True, "includeVars": True}
    return link | {"asDropdown": False, "icon": "dashboard", "tags": [], "targetBlank": False, "tooltip": ""}


def only_to(uids: Collection[str], value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a dashboard's JSON without links to dashboards that are not among `uids`;
    of a Markdown link to one, the text stays.
    """
    if isinstance(value, dict):
        return {key: only_to(uids, item) for key, item in value.items()}
    if isinstance(value, list):
        kept = [
            item for item in value if not (isinstance(item, dict) and _leads_astray(uids, str(item.get("url", ""))))
        ]
        return [only_to(uids, item) for item in kept]
    if isinstance(value, str) and "](" in value:
        return MARKDOWN_LINK.sub(lambda found: found["text"] if _leads_astray(uids, found["url"]) else found[0], value)
    return value


def _leads_astray(uids: Collection[str], url: str) -> bool:
    found = BOARD_PATH.search(url)
    return found is not None and found[1] not in uids
