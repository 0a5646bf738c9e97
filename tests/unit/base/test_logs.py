"""The log: JSON lines that never hold data of a sender, a library's values or an exception's text."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
from typing import Any

import psycopg
import pytest

from collector.errors import StoreUnavailableError
from duckwatch.base.logs import MAX_TEXT, JsonFormatter

CANARY = "canary@example.com"
PROGRAMS = ("collector", "exporters", "grafana")
"""The top-level packages of the programs, with which the names of their loggers begin."""


def line_of(record: logging.LogRecord) -> dict[str, Any]:
    text = JsonFormatter().format(record)
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def record(
    name: str, message: object, *args: object, error: BaseException | None = None, **extra: object
) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.WARNING, "/x/y/place.py", 7, message, args, None)
    made.exc_info = (type(error), error, error.__traceback__) if error is not None else None
    made.__dict__.update(extra)
    return made


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause  # noqa: TRY301 - to give it a place
    except BaseException as caught:  # noqa: BLE001 - it was just raised
        return caught


def test_a_line_says_when_how_bad_where_and_what() -> None:
    """A line has the fields that a log shipper needs: time, level, logger, message."""
    line = line_of(record("collector.journal", "journal opened", fields={"requests": 3, "path": "/x", "late": None}))
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "collector.journal",
        "message": "journal opened",
        "fields": {"requests": 3, "path": "/x", "late": None},
    }


def test_values_put_into_our_own_messages_do_not_show() -> None:
    """Values in the project's own messages are not shown, because messages must be fixed strings."""
    assert line_of(record("collector.web", "refused %s", CANARY))["message"] == "refused %s"


@pytest.mark.parametrize("program", [*PROGRAMS, "duckwatch"])
def test_fields_are_bounded_and_plain(program: str) -> None:
    """Fields hold cut texts and plain values; other objects are shown as their type, and the line stays valid JSON."""
    fields = {
        "long": "x" * 1000,
        "bytes": b"canary",
        "list": [CANARY],
        "error": ValueError(CANARY),
        "nan": float("nan"),
        "infinity": float("-inf"),
        "list_of_nan": [float("nan")],
        "huge_list": list(range(100_000)),
        "nested": nested(10_000),
        "huge_number": 10**5000,
        "large_number": 1 << 63,
    }
    text = JsonFormatter().format(record(f"{program}.x", "m", fields=fields))
    shown = json.loads(text, parse_constant=refuse)["fields"]
    assert len(text) < 2000
    assert len(shown["long"]) == MAX_TEXT + 1
    assert shown["bytes"] == "(bytes)"
    assert shown["list"] == shown["list_of_nan"] == shown["huge_list"] == "(list)"
    assert shown["error"] == "ValueError"
    assert (shown["nan"], shown["infinity"]) == ("nan", "-inf")
    assert shown["nested"] == "(dict)"
    assert (shown["huge_number"], shown["large_number"]) == ("(int)", 1 << 63)


def nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(depth):
        found = {"x": found}
    return found


def refuse(constant: str) -> None:
    """Refuse NaN and Infinity, which Python's parser accepts although they are not JSON (RFC 8259, 6)."""
    raise AssertionError(constant)


@pytest.mark.parametrize(
    "name", ["asyncio", "aiohttp.server", "aiohttp.access", "psycopg.pool", "py.warnings", "collectors"]
)
def test_a_library_shows_its_format_but_no_value(name: str) -> None:
    """A library's message is logged as its format without values; one without arguments is withheld."""
    assert line_of(record(name, "error from %s", CANARY))["message"] == "error from %s"
    line = line_of(record(name, f"Task exception: {CANARY}", fields={"x": CANARY}))
    assert CANARY not in json.dumps(line)
    assert line["at"] == "place.py:7"


def test_an_exception_shows_its_type_place_and_causes_but_no_text() -> None:
    """An exception is logged as type, code, place and causes, without its text, which may quote a row."""
    inner = raised(psycopg.errors.UniqueViolation(f"DETAIL: Key (recipient)=({CANARY}) already exists."))
    error = raised(StoreUnavailableError("connection", f"password of {CANARY}"), inner)
    line = line_of(record("collector.store", "write failed", error=error))
    assert CANARY not in json.dumps(line)
    assert line["error"]["type"] == "StoreUnavailableError"
    assert line["error"]["kind"] == "connection"
    assert line["error"]["causes"] == ["UniqueViolation"]
    assert line["error"]["stack"][0].startswith("test_logs.py:")
    assert line_of(record("collector", "m", error=inner))["error"]["sqlstate"] == "23505"


def test_causes_that_go_round_in_a_circle_end() -> None:
    """A circle of causes, which Python allows, is logged once."""
    one, two = ValueError(), KeyError()
    one.__context__, two.__context__ = two, one
    assert line_of(record("collector", "m", error=one))["error"]["causes"] == ["KeyError"]


SCRIPT = """
    import asyncio, logging, sys, threading, warnings
    from duckwatch.base import logs
    program = sys.argv[1]
    logs.configure(program)
    secret = "canary" + "@example.com"
    own = logging.getLogger(f"{program}.x")
    own.info("own message", extra={"fields": {"count": 1}})
    own.debug("too quiet")
    logging.getLogger("aiohttp.access").info("GET /%s", secret)
    logging.getLogger("aiohttp.server").error("Error handling request from %s", secret, exc_info=ValueError(secret))
    logging.getLogger("other").info("quiet library")
    logging.getLogger("bad").warning("%d items", secret)
    warnings.warn(secret)
    async def fail():
        raise ValueError(secret)
    async def main():
        task = asyncio.create_task(fail(), name=secret)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
        asyncio.get_running_loop().call_soon(lambda: 1 / int(secret))
        asyncio.get_running_loop().call_exception_handler({"message": secret, "exception": ValueError(secret)})
        await asyncio.sleep(0.01)
    asyncio.run(main())
    def run():
        raise KeyError(secret)
    thread = threading.Thread(target=run, name=secret)
    thread.start()
    thread.join()
    class Dying:
        def __del__(self):
            raise ValueError(secret)
    Dying()
    raise RuntimeError(secret)
"""


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_of_a_canary_leaves_a_real_process(program: str) -> None:
    """A canary in libraries, warnings, tasks, threads, destructors and the exit of a process is not logged."""
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "canary" not in ended.stderr
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    said = [(line["logger"], line["message"]) for line in lines]
    assert said[0] == (f"{program}.x", "own message")
    assert (f"{program}.x", "too quiet") not in said
    assert ("aiohttp.access", "GET /%s") not in said
    assert ("bad", "%d items") in said
    assert "py.warnings" in {name for name, _ in said}
    assert sum(name == "asyncio" for name, _ in said) == 3
    assert said[-3:] == [
        (program, "uncaught exception in a thread"),
        (program, "exception that could not be raised"),
        (program, "uncaught exception"),
    ]
    assert [line["error"]["type"] for line in lines[-3:]] == ["KeyError", "ValueError", "RuntimeError"]


AT_THE_END_OF_THE_STACK = """
    from duckwatch.base import logs
    logs.configure("collector")
    class Dying:
        def __del__(self):
            raise ValueError
    def fall(depth):
        if depth > 900:
            Dying()
        fall(depth + 1)
    try:
        fall(0)
    except RecursionError:
        pass
"""


def test_a_destructor_at_the_end_of_the_stack_writes_no_plain_text() -> None:
    """A destructor that fails at the end of the stack writes no plain text: its line is left out."""
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(AT_THE_END_OF_THE_STACK)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 0
    assert {json.loads(line)["message"] for line in ended.stderr.splitlines()} == {"exception that could not be raised"}
