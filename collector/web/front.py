"""The page at `/`, for a person who opens the collector's address: what it is, its state, and where to go next."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from collector.web.answers import respond

if TYPE_CHECKING:
    from aiohttp import web

    from collector.web.health import CollectorState, Health

_HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_HEAD: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>duckwatch collector</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 0 auto; padding: 1rem; color: #222; background: #fff }
h1 { font-size: 1.4rem }
h2 { font-size: 1.1rem; margin-top: 1.5rem }
ul { padding-left: 1.2rem }
code { overflow-wrap: anywhere }
a { color: #0b57a4 }
.well { color: #1b6e3c }
.ill { color: #b00020; font-weight: 600 }
small { color: #666 }
@media (prefers-color-scheme: dark) {
body { color: #ddd; background: #181818 }
a { color: #8ab8f0 }
.well { color: #7fc89a }
.ill { color: #ff8080 }
small { color: #999 }
}
</style>
</head>
<body>
<h1>duckwatch collector</h1>
<p>It takes delivery events from ZoneMTA and WildDuck, stores them in PostgreSQL, and shows their metrics to Prometheus.</p>
"""


class FrontPage:
    """The handler of `/`. It needs no credential: the page shows no address, no server name and no figure."""

    def __init__(self, health: Health, version: str) -> None:
        self._health, self._version = health, version

    async def show(self, request: web.BaseRequest) -> web.Response:
        """Return the page, always with status 200: `/readyz` is for programs."""
        del request
        return respond(200, page(self._health.state(), self._version).encode(), _HEADERS)


def page(state: CollectorState, version: str) -> str:
    """Return the page for this state."""
    summary = (
        ("ill", "It cannot take events now: senders keep theirs and come back.")
        if not state.is_ready
        else ("ill", "It takes events, but something is wrong.")
        if state.troubles
        else ("well", "It is well.")
    )
    parts = [_part(part, state.troubles.get(part)) for part in dict.fromkeys([*state.well, *state.troubles])]
    return "\n".join(
        [
            _HEAD + "<h2>Is it well?</h2>",
            f'<p class="{summary[0]}">{summary[1]}</p>',
            "<ul>",
            *parts,
            "</ul>",
            *_next_steps(has_trouble=bool(state.troubles)),
            f"<p><small>Version {escape(version)}</small></p>",
            "</body>",
            "</html>\n",
        ]
    )


def _part(name: str, trouble: str | None) -> str:
    if trouble is None:
        return f'<li>{escape(name)}: <span class="well">well</span></li>'
    return f'<li>{escape(name)}: <span class="ill">{escape(trouble)}</span></li>'


def _next_steps(*, has_trouble: bool) -> list[str]:
    trouble = "<li>What each word above means, and what to do: <code>docs/operations.md</code>, “What is wrong?”. \
<code>duckwatch-collector doctor</code> looks at everything and says what to do.</li>"
    return [
        "<h2>Where next?</h2>",
        "<ul>",
        *([trouble] if has_trouble else []),
        '<li><a href="metrics">metrics</a>: what Prometheus scrapes</li>',
        (
            '<li><a href="readyz">readyz</a>: the state above, for programs; <a href="healthz">healthz</a>: '
            "is the process alive</li>"
        ),
        (
            "<li>Where ZoneMTA sends to: <code>/api/events/ingest</code>, "
            "with the plugin (<code>zonemta-plugin/README.md</code>)</li>"
        ),
        (
            "<li>Dashboards: Grafana, with the data source of <code>docs/dashboards.md</code>; alerts: "
            "<code>docs/alerting.md</code></li>"
        ),
        "<li>Everything else: <code>README.md</code>, and <code>docs/</code> beside it</li>",
        "</ul>",
    ]
