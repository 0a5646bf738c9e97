"""A stand-in of Grafana's push endpoint: it answers as Grafana 10.1.2 does, and keeps the frames that viewers see.

The grammar is that of `machine.go.rl` in github.com/influxdata/line-protocol, which Grafana uses.
tests/acceptance/test_live.py posts the same bodies to a real Grafana.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

from tests import canaries

if TYPE_CHECKING:
    from collections.abc import Iterator

_WS = rb"[\t\v\f ]"
_MEASUREMENT = rb"(?!\#)(?:[^\t\n\v\f\r ,\\]|\\[^\t\n\v\f\r])+"
_TAG_TEXT = rb"(?:[^\t\n\v\f\r ,=\\]|\\(?=\\)|\\[^\t\n\v\f\r\\])+"
_FIELD_KEY = rb"(?:[^\t\n\v\f\r ,=\\]|\\[^\t\n\v\f\r])+"
_NUMBER = rb"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][\"+-]?[0-9]+)?"
_STRING = rb'"(?:[^\f\r\n\\"]|\\[\\"]|\r?\n)*"'
_BOOL = rb"(?:true|TRUE|True|T|t|false|FALSE|False|F|f)"
_VALUE = rb"(?:" + _STRING + rb"|" + _BOOL + rb"|" + _NUMBER + rb"[iu]?)"
_FIELD = _FIELD_KEY + rb"=" + _VALUE
_LINE = re.compile(
    rb"%(ws)b*(?P<name>%(m)b)(?:,%(t)b=%(t)b)*%(ws)b+(?P<fields>%(f)b(?:,%(f)b)*)(?:%(ws)b+(?P<time>-?[0-9]{1,19}))?"
    rb"%(ws)b*(?:\r?\n|\r?\Z)" % {b"ws": _WS, b"m": _MEASUREMENT, b"t": _TAG_TEXT, b"f": _FIELD}
)
_NOTHING = re.compile(rb"(?:%(ws)b*\r?\n|%(ws)b*\#[^\n]*(?:\n|\Z)|%(ws)b+\Z|%(ws)b*\r\Z)" % {b"ws": _WS})
_ONE_FIELD = re.compile(rb"(%b)=(%b)" % (_FIELD_KEY, _VALUE))
_INTEGER = re.compile(rb"-?(?:[0-9]|[1-9][0-9]*)")

TOKEN = "canary7391-live"
"""The token that is accepted unless a test says otherwise. It must be in no log and no page."""


class Line(NamedTuple):
    """One line: its measurement, its fields, and its time in nanoseconds (None: Grafana takes its own clock)."""

    measurement: str
    fields: dict[str, Any]
    time: int | None


class RefusedError(Exception):
    """Grafana answers 500 to this body."""


def parse(body: bytes) -> list[Line]:
    """Return the lines of a body. Raise `RefusedError` for a body that Grafana refuses whole."""
    lines, place = [], 0
    while place < len(body):
        if (nothing := _NOTHING.match(body, place)) is not None:
            place = nothing.end()
            continue
        found = _LINE.match(body, place)
        if found is None:
            raise RefusedError
        fields = {key.decode(errors="replace"): _value(text) for key, text in _ONE_FIELD.findall(found["fields"])}
        time = None if found["time"] is None else int(found["time"])
        if time is not None and not -(2**63) <= time < 2**63:
            raise RefusedError
        lines.append(Line(found["name"].decode(errors="replace"), fields, time))
        place = found.end()
    return lines


def _value(text: bytes) -> Any:
    if text[:1] == b'"':
        return re.sub(rb'\\([\\"])', rb"\1", text[1:-1]).decode(errors="replace")
    if text[:1].isalpha():
        return text[:1] in b"tT"
    if text[-1:] in (b"i", b"u"):
        if not _INTEGER.fullmatch(text[:-1]):
            raise RefusedError
        number = int(text[:-1])
        low, high = (-(2**63), 2**63) if text[-1:] == b"i" else (0, 2**64)
        if not low <= number < high:
            raise RefusedError
        return float(number) if text[-1:] == b"i" else None
    if b'"' in text or abs(float(text)) == float("inf"):
        raise RefusedError
    return float(text)


class Frame(NamedTuple):
    """What one body publishes on one channel: the schema (name and type of each field), the rows and their times."""

    schema: tuple[tuple[str, str], ...]
    rows: list[dict[str, Any]]
    times: list[int]
    """Epoch ms."""


def frames(lines: list[Line]) -> dict[str, Frame]:
    """Return the frames of a body by measurement, as the format `labels_column` makes them."""
    found: dict[str, Frame] = {}
    for measurement in dict.fromkeys(line.measurement for line in lines):
        mine = [line for line in lines if line.measurement == measurement]
        types: dict[str, str] = {}
        for line in mine:
            for name in sorted(line.fields):
                types.setdefault(name, _type(line.fields[name]))
        times = [0 if line.time is None else line.time // 1_000_000 for line in mine]
        found[measurement] = Frame(tuple(types.items()), [line.fields for line in mine], times)
    return found


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) and value != "NaN" else "number"


class Push(NamedTuple):
    """One push: who sent it, and the answer."""

    token: str
    status: int
    body: bytes


class GrafanaLive:
    """The endpoint of one stream. `tokens` are accepted; `fault` is a status for every push; `hang` lets it wait."""

    def __init__(self) -> None:
        self.port = 0
        self.tokens = {TOKEN}
        self.fault: int | None = None
        self.hang = threading.Event()
        self.released = threading.Event()
        self.pushes: list[Push] = []
        self.last: dict[str, Frame] = {}
        self.schemas: dict[str, set[tuple[tuple[str, str], ...]]] = {}
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def settings(self, token_file: object, **further: Any) -> dict[str, Any]:
        """Return the collector's section `live` for it."""
        return {"live": {"url": self.url, "token_file": str(token_file), **further}}

    def push(self, token: str, body: bytes) -> int:
        """Return Grafana's answer to a body, and keep what it publishes."""
        with self._lock:
            status = self._status(token, body)
            self.pushes.append(Push(token, status, body))
        return status

    def _status(self, token: str, body: bytes) -> int:
        if token not in self.tokens:
            return 401
        if self.fault is not None:
            return self.fault
        try:
            published = frames(parse(body))
        except RefusedError:
            return 500
        self.last.update(published)
        for measurement, frame in published.items():
            self.schemas.setdefault(measurement, set()).add(frame.schema)
        return 200

    def total(self, measurement: str, field: str) -> float:
        """Return the sum of a field over the rows of the newest frame, 0 without a frame."""
        frame = self.last.get(measurement)
        return 0 if frame is None else sum(row[field] for row in frame.rows)

    def accepted(self) -> list[Push]:
        """Return the pushes that were answered 200."""
        return [push for push in list(self.pushes) if push.status == 200]


@contextmanager
def grafana_live() -> Iterator[GrafanaLive]:
    """Serve POST /api/live/push/duckwatch on a free port of loopback."""
    grafana = GrafanaLive()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if grafana.hang.is_set():
                grafana.released.wait()
                self.close_connection = True
                return
            is_known = self.path == "/api/live/push/duckwatch" and "Content-Encoding" not in self.headers
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            self.send_response(grafana.push(token, body) if is_known else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    grafana.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield grafana
    finally:
        grafana.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
        # Its ticker shows the patterns of replies on purpose; an address it never shows.
        canaries.hear_shown("Grafana Live", b"\n".join(push.body for push in grafana.pushes[-100:]))
        assert not any(b"@" in push.body for push in grafana.pushes)
