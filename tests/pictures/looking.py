"""Opens a dashboard in a browser, waits until it is loaded, finds its faults, and takes its picture."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.parse
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from grafana.normalise import all_panels
from tests.pictures.settling import Settling
from tests.pictures.shrinking import is_blank
from tests.pictures.traffic import Traffic
from tests.servers.chromium import opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.servers.chromium import Tab
    from tests.servers.grafana import Grafana

BLANK_TRIES = 10

ROW_PIXELS = 38
HEAD_PIXELS = 260
"""The height of a row of Grafana's grid with its margin, and of the page above the grid.

At 1,366 pixels the variables and the links to other dashboards take up to three lines.
"""

PANELS_SHOWN: Final = """document.querySelectorAll('.react-grid-item').length"""
PANELS_LOADING: Final = """document.querySelectorAll('[aria-label="Panel loading bar"]').length"""
EXAMINE: Final = """(() => {
  const cut = element => element.scrollWidth > element.clientWidth + 1
    && getComputedStyle(element).overflowX !== 'visible';
  const text = element => (element.innerText || '').trim().replace(/\\s+/g, ' ');
  const empty = /^(no data|data outside time range|unable to render data|data is missing|data does not have)/i;
  const leaves = panel => [...panel.querySelectorAll('*')].filter(element => element.children.length === 0);
  const panels = [...document.querySelectorAll('.react-grid-item[data-panelid]')];
  const title = panel => (panel.querySelector('h6') || {}).title || '';
  const name = panel => `${panel.dataset.panelid} ${title(panel)}`.trim();
  const found = {errors: [], no_data: [], cut: []};
  for (const panel of panels) {
    if (panel.querySelector('[aria-label="Panel status"]')) found.errors.push(name(panel));
    if (leaves(panel).some(leaf => empty.test(text(leaf)))) found.no_data.push(name(panel));
    // Not the column header itself: the handle that resizes it always stands out of it.
    for (const head of panel.querySelectorAll('h6, [role=columnheader] button, [role=columnheader] button *'))
      if (cut(head) && text(head)) found.cut.push(`${name(panel)}: ${text(head)}`);
  }
  found.cut = [...new Set(found.cut)];
  return found;
})()"""


@dataclass(frozen=True, slots=True)
class View:
    """How a dashboard is opened. `variables` are pairs of name and value; a name with several values is repeated."""

    width: int = 1366
    theme: str = "dark"
    start: str = "now-6h"
    end: str = "now"
    variables: Sequence[tuple[str, str]] = ()

    def url(self, page: str) -> str:
        """Return the URL that opens this page with this view."""
        query = [("from", self.start), ("to", self.end), ("theme", self.theme)]
        return f"{page}?{urllib.parse.urlencode([*query, *((f'var-{name}', value) for name, value in self.variables)])}"


@dataclass(slots=True)
class Report:
    """The faults of a dashboard. Panels are named by id and title.

    `failed` are requests of the browser that were answered with an error, with the panel that sent them.
    `cut` are titles and column headers that do not fit.
    """

    dashboard: str
    settled: bool
    console: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    no_data: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """All faults. Panels without data are none, because an empty database has such panels."""
        return [*([] if self.settled else ["still loading"]), *self.console, *self.failed, *self.errors, *self.cut]

    def line(self) -> str:
        """Return it as one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


def rows_open(dashboard: dict[str, Any]) -> dict[str, Any]:
    """Return the dashboard with its rows open, and without the refresh, with which it would never settle.

    A row of Grafana Live stays closed: without a collector that pushes, its panels load for ever.
    """
    panels: list[dict[str, Any]] = []
    moved = 0
    for panel in dashboard["panels"]:
        place = panel["gridPos"] | {"y": panel["gridPos"]["y"] + moved}
        inner = panel.get("panels") or []
        is_live = any("channel" in target for one in inner for target in one.get("targets", []))
        if panel.get("type") != "row" or not inner or is_live:
            panels.append(panel | {"gridPos": place})
            continue
        first = min(one["gridPos"]["y"] for one in inner)
        shift = place["y"] + 1 - first
        panels.append(panel | {"gridPos": place, "collapsed": False, "panels": []})
        panels += [one | {"gridPos": one["gridPos"] | {"y": one["gridPos"]["y"] + shift}} for one in inner]
        moved += max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in inner) - first
    return dashboard | {"panels": panels, "refresh": ""}


def only_live(dashboard: dict[str, Any]) -> dict[str, Any]:
    """Return a dashboard of another uid that has only the panels of Grafana Live, which need no data source."""
    panels = [panel for panel in all_panels(dashboard["panels"]) if "channel" in (panel.get("targets") or [{}])[0]]
    alone = dashboard | {"uid": f"live-{dashboard['uid']}", "panels": panels, "refresh": ""}
    return alone | {"templating": {"list": []}, "annotations": {"list": []}}


def height(dashboard: dict[str, Any]) -> int:
    """Return the window height (pixels) that shows the whole dashboard: Grafana loads only visible panels."""
    ends = [panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"]]
    return HEAD_PIXELS + ROW_PIXELS * max(ends, default=0)


async def look(grafana: Grafana, name: str, dashboard: dict[str, Any], path: str, view: View) -> tuple[Report, bytes]:
    """Open a stored dashboard at `path`, and return its report and its picture as PNG.

    Raise MissingServerError when Chromium is missing.
    """
    async with opened(view.width, height(dashboard)) as tab:
        await log_in(tab, grafana)
        traffic = Traffic(tab, {str(panel["id"]): panel.get("title", "") for panel in dashboard["panels"]})
        await tab.send("Page.navigate", url=view.url(grafana.url + path))
        settled = await _settled(tab, traffic, _asking(dashboard))
        report = Report(name, settled, **await tab.evaluate(EXAMINE))
        report.console, report.failed = traffic.console, await traffic.failures()
        return report, await _drawn(tab)


async def log_in(tab: Tab, grafana: Grafana) -> None:
    """Let the browser ask as the administrator."""
    if grafana.password:
        cookie = {"name": "grafana_session", "value": grafana.session(), "url": grafana.url}
        await tab.send("Network.setCookie", **cookie)
    else:
        await tab.send("Network.setExtraHTTPHeaders", headers={"Authorization": grafana.authorization})


def _asking(dashboard: dict[str, Any]) -> set[str]:
    """Return the ids of the panels that query a data source over HTTP; Grafana Live is not queried over HTTP."""
    return {
        str(panel["id"])
        for panel in dashboard["panels"]
        if any((target.get("datasource") or {}).get("type") != "datasource" for target in panel.get("targets") or [])
    }


async def _settled(tab: Tab, traffic: Traffic, asking: set[str]) -> bool:
    """Wait until nothing loads any more. Return False if something still loads and makes no progress."""
    settling = Settling(time.monotonic())
    while True:
        shown, loading = await tab.evaluate(PANELS_SHOWN), await tab.evaluate(PANELS_LOADING)
        is_over = settling.is_over(
            time.monotonic(),
            is_loading=bool(traffic.pending or not shown or loading),
            all_asked=asking <= traffic.panels_that_asked,
            seen=(traffic.progress, shown, loading),
        )
        if is_over is not None:
            return is_over
        await asyncio.sleep(0.25)


async def _drawn(tab: Tab) -> bytes:
    """Return the picture of the page once it is drawn. On a busy machine the first picture can be blank."""
    picture = await tab.screenshot()
    for _ in range(BLANK_TRIES):
        if not is_blank(picture):
            break
        await asyncio.sleep(1)
        picture = await tab.screenshot()
    return picture
