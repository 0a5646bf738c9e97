"""The log: one JSON object a line on standard error, safe to hand to anyone.

What a line may hold is decided here and not where it is written: a fixed message, bounded fields, and for an exception its
type and the places it passed. Never an exception's own text (PostgreSQL's quotes the row, libpq's the connection string), and
never a library's text with values put in. A caller says more with `extra={"fields": {"requests": 3}}`: numbers, booleans and
short words of its own, never what came from a sender.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from datetime import UTC, datetime
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import TracebackType

OWN: Final = "collector"
"""The loggers whose messages are this program's own, and so fixed strings."""

BASE: Final = "duckwatch"
"""The loggers of the shared code: the same holds for them."""

MAX_TEXT: Final = 200
MAX_FRAMES: Final = 20
MAX_CAUSES: Final = 5

_TOLD_OF_ERRORS: Final = ("sqlstate", "kind", "errno", "status")
"""Attributes of an exception that come from closed sets (PostgreSQL's codes, our kinds, the system's numbers)."""


def configure(level: str = "INFO", stream: Any = None) -> None:  # noqa: ANN401 - any text stream; None: standard error
    """Makes this log the only one: for the loggers of libraries, for warnings, and for exceptions that nobody caught."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for own in (OWN, BASE):
        logging.getLogger(own).setLevel(level)
    # What a handler cannot write it would print with its arguments.
    logging.raiseExceptions = False
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread
    sys.unraisablehook = _log_unraisable


class JsonFormatter(logging.Formatter):
    """Turns a record into its line."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns one line of JSON; raises nothing."""
        line: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        written = getattr(record, "fields", None)
        if isinstance(written, dict) and _is_own(record):
            line["fields"] = {str(name)[:MAX_TEXT]: _bounded(value) for name, value in written.items()}
        if not _is_own(record):
            line["at"] = f"{PurePath(record.pathname).name}:{record.lineno}"
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            line["error"] = _describe(error)
        return json.dumps(line, allow_nan=False)


def _is_own(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] in (OWN, BASE)


def _message(record: logging.LogRecord) -> str:
    """The words as they stand in the source, without values. A library's text without arguments may have been put together."""
    if isinstance(record.msg, str) and (_is_own(record) or record.args):
        return record.msg[:MAX_TEXT]
    return "(text of a library, withheld)"


def _bounded(value: object) -> object:
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else f"{value[:MAX_TEXT]}…"
    if isinstance(value, BaseException):
        return type(value).__name__
    return f"({type(value).__name__})"


def _describe(error: BaseException) -> dict[str, object]:
    """An exception without its text: its type, what its closed sets say, where it was raised, and what caused it."""
    described: dict[str, object] = {"type": type(error).__qualname__}
    for name in _TOLD_OF_ERRORS:
        value = getattr(error, name, None)
        if isinstance(value, (int, str)):
            described[name] = _bounded(value)
    described["stack"] = [
        f"{PurePath(frame.f_code.co_filename).name}:{line}"
        for frame, line in list(traceback.walk_tb(error.__traceback__))[-MAX_FRAMES:]
    ]
    causes = _causes(error)
    if causes:
        described["causes"] = causes
    return described


def _causes(error: BaseException) -> list[str]:
    found: list[str] = []
    seen = {id(error)}
    cause = error.__cause__ or error.__context__
    while cause is not None and id(cause) not in seen and len(found) < MAX_CAUSES:
        found.append(type(cause).__qualname__)
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return found


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger(OWN).critical("uncaught exception", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        logging.getLogger(OWN).critical(
            "uncaught exception in a thread", exc_info=(args.exc_type, args.exc_value, args.exc_traceback)
        )


def _log_unraisable(args: sys.UnraisableHookArgs) -> None:
    if args.exc_value is None:
        return
    try:
        logging.getLogger(OWN).error(
            "exception that could not be raised", exc_info=(args.exc_type, args.exc_value, args.exc_traceback)
        )
    except RecursionError:
        # Garbage was collected while deeply nested JSON was read: no stack is left to tell of it, and Python would do so in plain text.
        return
