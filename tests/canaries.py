"""What collectors under test may never say: planted secrets, and every address, subject and reply of the traffic they are sent.

Their logs, their pages and their answers are kept here as the tests come by them, and searched once at the end of the run
(tests/conftest.py).
"""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from pathlib import Path

CANARY = "canary7391"
"""Stands in every secret and in every bad or personal field that a test plants; in no name of the program's own."""

TOKEN = "acceptance-token"
"""The token of the collectors that run as processes."""

HMAC_SECRET = "whsec_" + base64.b64encode(f"{CANARY} and then some more".encode()).decode()

_RECORDING = Path(__file__).parent / "fixtures" / "zonemta-log-entries.jsonl"
_ADDRESS = re.compile(rb"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+")
_TELLING_CHARACTERS = 12
_TELLING_SUBJECT_CHARACTERS = 6
"""Shorter ones ("spam", "lmtp") are words that zones and fields are named by as well."""

_heard: dict[str, list[bytes]] = {}
_logs: set[Path] = set()


def hear(what: str, said: bytes) -> None:
    """Keeps what a collector said: an answer, a page, a span."""
    kept = _heard.setdefault(what, [])
    if said not in kept[-1:]:
        kept.append(said)


def watch(log: Path) -> None:
    """Has a log searched at the end of the run."""
    _logs.add(log)


def leaks() -> list[str]:
    """What stands where it must not: the place, and what was found there."""
    places = [(what, said) for what, kept in _heard.items() for said in kept]
    places += [(log.name, log.read_bytes()) for log in sorted(_logs) if log.exists()]
    return sorted({f"{place}: {found!r}" for place, said in places for found in leaks_in(said)})


def leaks_in(said: bytes) -> list[str]:
    """What of the forbidden stands in these bytes."""
    found = [word for word in forbidden() if word.encode() in said]
    return found + [match.decode() for match in _ADDRESS.findall(said)]


@cache
def forbidden() -> tuple[str, ...]:
    """The planted words, and the subjects and replies of the recorded traffic (addresses are found by their form)."""
    words = {CANARY, TOKEN, HMAC_SECRET.removeprefix("whsec_")}
    for line in _RECORDING.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)["entry"]
        for key in ("subject", "response", "responseText", "error", "user", "message-id", "messageId"):
            text = entry.get(key)
            if isinstance(text, str) and len(text) >= (
                _TELLING_SUBJECT_CHARACTERS if key == "subject" else _TELLING_CHARACTERS
            ):
                words.add(text)
    return tuple(sorted(words))
