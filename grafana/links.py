"""Links between dashboards, by uid. A link carries the time range and the variables that the viewer chose.

`only_to` removes links to a dashboard that is not built, so a page may link to a dashboard that is added later.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from grafana.fields import Json


class DashboardUid(StrEnum):
    """The uids of the dashboards, in the order of the link bar at the top of each. A uid never changes."""

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
"""The variables that a link carries by default. Every dashboard has them, except those in BARE."""

BARE = {DashboardUid.MTA: ("prometheus",)}
"""The dashboards that lack some variables of CARRIED, with the variables that they do have."""

DASHBOARD_PATH = re.compile(r"/d/(duckwatch-[a-z]+)")
MARKDOWN_LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<url>[^)\s]*)\)")


def address(
    uid: DashboardUid,
    *,
    keep: Sequence[str] = (),
    values: Mapping[str, str] | None = None,
    span: tuple[str, str] | None = None,
) -> str:
    """Return the URL of a dashboard, with the time range and the viewer's values of CARRIED and of `keep`.

    `values` sets other variables: a variable's name to a text that Grafana fills in (`of_column`, `OF_SERIES`).
    `span` names the two columns of the clicked row that hold the range to open (epoch milliseconds, as text).
    """
    times = "${__url_time_range}" if span is None else f"from={of_column(span[0])}&to={of_column(span[1])}"
    set_here = values or {}
    carried = BARE.get(uid, CARRIED)
    kept = [f"${{{name}:queryparam}}" for name in dict.fromkeys((*carried, *keep)) if name not in set_here]
    chosen = [f"var-{name}={value}" for name, value in set_here.items()]
    return f"/d/{uid.value}?" + "&".join([times, *kept, *chosen])


def of_column(name: str) -> str:
    """Return the placeholder that Grafana replaces by the value of this column in the clicked row."""
    return f'${{__data.fields["{name}"]:percentencode}}'


OF_SERIES = "${__field.labels.metric:percentencode}"
"""The placeholder that Grafana replaces by the label `metric` of the clicked series."""


def to_dashboard(
    uid: DashboardUid,
    title: str,
    *,
    keep: Sequence[str] = (),
    values: Mapping[str, str] | None = None,
    span: tuple[str, str] | None = None,
) -> Json:
    """Return a link to a dashboard, for a panel's corner, a column, or the points of a series."""
    return {"title": title, "url": address(uid, keep=keep, values=values, span=span), "targetBlank": False}


def to_web(title: str, url: str) -> Json:
    """Return a link to a page outside of Grafana, which opens in a new tab."""
    return {"title": title, "url": url, "targetBlank": True}


def in_text(uid: DashboardUid, title: str) -> str:
    """Return a link to a dashboard in the Markdown of a text panel."""
    return f"[{title}]({address(uid)})"


def bar(pages: Mapping[str, str], own: str, base: str = "") -> list[Json]:
    """Return the links at the top of the dashboard `own` to all other dashboards.

    `pages` maps uids to titles. `base` is the URL of Grafana; without it links are relative.
    """
    order = [uid.value for uid in DashboardUid]
    ranked = sorted(pages, key=lambda uid: (order.index(uid) if uid in order else len(order), uid))
    return [_bar_link(f"{base}/d/{uid}", pages[uid]) for uid in ranked if uid != own]


def _bar_link(url: str, title: str) -> Json:
    link: Json = {"type": "link", "title": title, "url": url, "keepTime": True, "includeVars": True}
    return link | {"asDropdown": False, "icon": "dashboard", "tags": [], "targetBlank": False, "tooltip": ""}


def only_to(uids: Collection[str], value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a dashboard's JSON without links to dashboards that are not in `uids`.

    A Markdown link to such a dashboard becomes its text.
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
    found = DASHBOARD_PATH.search(url)
    return found is not None and found[1] not in uids
