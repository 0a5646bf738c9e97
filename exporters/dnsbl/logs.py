"""The log: one JSON object a line on standard error. A line holds a fixed message and bounded fields, and of an exception only its type and
the places it passed: an exception's own text may hold a query name, and a query name may hold a list's key.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, Final

OWN: Final = "exporters"
BASE: Final = "duckwatch"
"""The shared code's loggers: their messages are fixed strings, too."""

MAX_TEXT: Final = 300
MAX_FRAMES: Final = 20


def configure(stream: Any = None) -> None:  # noqa: ANN401 - any text stream; None: standard error
    """Makes this log the only one, for libraries and warnings too."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for own in (OWN, BASE):
        logging.getLogger(own).setLevel(logging.INFO)
    logging.raiseExceptions = False
    logging.captureWarnings(capture=True)
    sys.excepthook = lambda kind, error, trace: logging.getLogger(OWN).critical(
        "uncaught exception", exc_info=(kind, error, trace)
    )


class Lines(logging.Formatter):
    """Turns a record into its line."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns one line of JSON."""
        own = record.name.partition(".")[0] in (OWN, BASE)
        line: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": str(record.msg)[:MAX_TEXT] if own else "(text of a library, withheld)",
        }
        fields = getattr(record, "fields", None)
        if own and isinstance(fields, dict):
            line["fields"] = {
                name: value[:MAX_TEXT] if isinstance(value, str) else value for name, value in fields.items()
            }
        if not own:
            line["at"] = f"{PurePath(record.pathname).name}:{record.lineno}"
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = _told(record.exc_info[1])
        return json.dumps(line, default=lambda value: type(value).__name__)


def _told(error: BaseException) -> dict[str, object]:
    frames = list(traceback.walk_tb(error.__traceback__))[-MAX_FRAMES:]
    stack = [f"{PurePath(frame.f_code.co_filename).name}:{number}" for frame, number in frames]
    return {"type": type(error).__qualname__, "stack": stack}
