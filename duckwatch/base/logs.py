"""The log: one JSON object a line on standard error, without secrets and mail data.

This module decides what a line may hold, not the caller: a fixed message, fields of limited length, and for an
exception its type and stack.
The text of an exception is never logged. PostgreSQL's text quotes the row, libpq's the connection string, a DNS
library's a query name, which may hold a list's key. A library's message is logged without its values.
A caller adds values with `extra={"fields": {"requests": 3}}`: numbers, booleans and short fixed words, never data from
a sender.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import TracebackType

OWN: Final = frozenset({"collector", "duckwatch", "exporters", "grafana"})
"""The top-level packages of this project. The messages of their loggers are fixed strings."""

MAX_TEXT: Final = 300
MAX_INTEGER: Final = 1 << 64
MAX_FRAMES: Final = 20
MAX_CAUSES: Final = 5

_ATTRIBUTES: Final = ("sqlstate", "kind", "errno", "status")
"""Attributes of an exception with values from closed sets (SQLSTATE, this project's kinds, errno, HTTP status)."""


def configure(program: str, stream: Any = None) -> None:  # noqa: ANN401 - any text stream; None: standard error
    """Send all logs here: those of libraries, warnings, and uncaught exceptions.

    `program` is the program's top-level package. Uncaught exceptions are logged with its logger.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for own in OWN:
        logging.getLogger(own).setLevel(logging.INFO)
    # Else a handler that fails to write would print the record with its arguments.
    logging.raiseExceptions = False
    logging.captureWarnings(capture=True)
    log = logging.getLogger(program)
    sys.excepthook = partial(_log_uncaught, log)
    threading.excepthook = partial(_log_uncaught_in_thread, log)
    sys.unraisablehook = partial(_log_unraisable, log)


class JsonFormatter(logging.Formatter):
    """Formats a record as a line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON. Never raise an exception."""
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
    return record.name.partition(".")[0] in OWN


def _message(record: logging.LogRecord) -> str:
    """Return the message without its values. Withhold a library's message without arguments: it may contain values."""
    if isinstance(record.msg, str) and (_is_own(record) or record.args):
        return record.msg[:MAX_TEXT]
    return "(text of a library, withheld)"


def _bounded(value: object) -> object:
    """Return the value as short, valid JSON: a long text is cut, an object is replaced by its type's name."""
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        # Python refuses to write an integer of more than 4300 digits (sys.set_int_max_str_digits).
        return value if -MAX_INTEGER < value < MAX_INTEGER else "(int)"
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else f"{value[:MAX_TEXT]}…"
    if isinstance(value, BaseException):
        return type(value).__name__
    return f"({type(value).__name__})"


def _describe(error: BaseException) -> dict[str, object]:
    """Return an exception without its text: its type, codes, stack, and the types of its causes."""
    described: dict[str, object] = {"type": type(error).__qualname__}
    for name in _ATTRIBUTES:
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


def _log_uncaught(
    log: logging.Logger, kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    log.critical("uncaught exception", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(log: logging.Logger, args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        log.critical("uncaught exception in a thread", exc_info=(args.exc_type, args.exc_value, args.exc_traceback))


def _log_unraisable(log: logging.Logger, args: sys.UnraisableHookArgs) -> None:
    if args.exc_value is None:
        return
    try:
        log.error("exception that could not be raised", exc_info=(args.exc_type, args.exc_value, args.exc_traceback))
    except RecursionError:
        # The garbage collector ran while deeply nested JSON was read. There is no stack left to log the exception,
        # and without this `return` Python would print its text.
        return
