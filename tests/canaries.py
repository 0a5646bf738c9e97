"""Texts that a program under test must never output: planted secrets, and addresses, subjects and replies of its
traffic.

Tests keep here the logs, pages, answers, spans and command outputs of collector and DNSBL exporter. They are searched
once, at the end of the run (tests/conftest.py).
"""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from pathlib import Path

CANARY = "canary7391"
"""Part of every secret and of every bad or personal field that a test plants, but of no name in the programs."""

TOKEN = "acceptance-token"
"""The token of the collectors that run as processes."""

HMAC_SECRET = "whsec_" + base64.b64encode(f"{CANARY} and then some more".encode()).decode()

REASON = "reason7391"
"""Part of the TXT record of a test's DNS list. Pages for people may show it, logs and metrics must not."""

_SECRETS = (CANARY, TOKEN, HMAC_SECRET.removeprefix("whsec_"))
_RECORDING = Path(__file__).parent / "fixtures" / "zonemta-log-entries.jsonl"
_ADDRESS = re.compile(rb"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+")
_TELLING_CHARACTERS = 12
_TELLING_SUBJECT_CHARACTERS = 6
"""Least length of a subject to search for. Shorter ones ("spam", "lmtp") are also names of zones and fields."""

_heard: dict[str, set[bytes]] = {}
_shown: dict[str, set[bytes]] = {}
_logs: set[Path] = set()


def hear(what: str, said: bytes | str) -> None:
    """Keep an output of a program, each line once: an answer, a page, a span, a command's output."""
    _keep(_heard, what, said)


def hear_shown(what: str, said: bytes | str) -> None:
    """Keep an output that shows mail content to an operator on purpose. Only secrets are searched for in it."""
    _keep(_shown, what, said)


def _keep(places: dict[str, set[bytes]], what: str, said: bytes | str) -> None:
    places.setdefault(what, set()).update((said.encode() if isinstance(said, str) else said).splitlines())


def watch(log: Path) -> None:
    """Have a log searched at the end of the run."""
    _logs.add(log)


def leaks() -> list[str]:
    """Return each forbidden text that was found, with its place."""
    places = [(what, b"\n".join(lines)) for what, lines in _heard.items()]
    places += [(log.name, log.read_bytes()) for log in sorted(_logs) if log.exists()]
    found = {f"{place}: {word!r}" for place, said in places for word in leaks_in(said)}
    shown = {f"{place}: {word!r}" for place, lines in _shown.items() for word in secrets_in(b"\n".join(lines))}
    return sorted(found | shown)


def leaks_in(said: bytes) -> list[str]:
    """Return the forbidden texts in these bytes."""
    found = [word for word in forbidden() if word.encode() in said]
    return found + [match.decode() for match in _ADDRESS.findall(said)]


def secrets_in(said: bytes) -> list[str]:
    """Return the planted secrets in these bytes, in any case of letters."""
    return [word for word in _SECRETS if word.lower().encode() in said.lower()]


@cache
def forbidden() -> tuple[str, ...]:
    """Return the planted words, and the subjects and replies of the recorded traffic, plain and as JSON.

    Addresses are found by their form.
    """
    words = {*_SECRETS, REASON}
    for line in _RECORDING.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)["entry"]
        for key in ("subject", "response", "responseText", "error", "user", "message-id", "messageId"):
            text = entry.get(key)
            if isinstance(text, str) and len(text) >= (
                _TELLING_SUBJECT_CHARACTERS if key == "subject" else _TELLING_CHARACTERS
            ):
                words |= {text, json.dumps(text)[1:-1]}
    return tuple(sorted(words))
