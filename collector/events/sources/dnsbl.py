"""Reads the results that the DNSBL exporter posts (docs/dnsbl.md, "What it posts"). Pure.

A body becomes entries, and an entry becomes a row of `dnsbl_results`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from collector.errors import TooLargeError, UnreadableError
from collector.events import addresses
from collector.events.border.decoding import take
from collector.events.border.json_values import YEAR_2200_MS
from collector.events.border.request_body import Body, RejectedItem, read_body
from collector.events.model.event import Source
from collector.events.model.side_tables import DnsblResult

if TYPE_CHECKING:
    from collector.events.border.decoding import Border
    from collector.events.model.event import Entry, Submission

VERDICTS: Final = frozenset({"listed", "clean", "refused", "error"})
STANDINGS: Final = frozenset({"listed", "clean"})
SEVERITIES: Final = frozenset({"critical", "warning", "info"})
FORMER_SEVERITIES: Final = {"page": "critical", "ticket": "warning"}
"""An exporter of an earlier version posts these words; the row has today's (docs/decisions.md, decision 62)."""
ADDRESS, DOMAIN = "address", "domain"

REASON_CHARACTERS: Final = 500
MEANING_CHARACTERS: Final = 200
CODES: Final = 16
"""The most codes and meanings that are kept of one answer."""

_NAME: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*", re.ASCII)
_WORD: Final = re.compile(r"[a-z0-9_]{1,40}", re.ASCII)


def read_results(body: bytes, *, received_at: int, border: Border) -> Submission:
    """Return the submission of an exporter's request (`received_at` in epoch ms).
    Raise only `UnreadableError` and `TooLargeError`.
    """
    found = read_body(body, max_parts=border.max_parts, max_items=border.max_items)
    results, envelope = _results(found)
    if len(results) > border.max_items:
        raise TooLargeError(f"more than {border.max_items} results")
    items = Body([_item(result) for result in results], envelope, found.is_clean)
    return take(items, received_at=received_at, source=Source.DNSBL, border=border)


def _results(found: Body) -> tuple[list[Any], dict[str, Any]]:
    """Return the results, and the cluster and host of all of them. Dead letters that are retried are results without
    these.
    """
    whole = found.items[0] if len(found.items) == 1 else None
    if type(whole) is not dict or "results" not in whole:
        return found.items, {}
    results, exporter = whole["results"], whole.get("exporter")
    if type(results) is not list:
        raise UnreadableError("`results` is not an array")
    host = exporter.get("host") if type(exporter) is dict else None
    return results, {"cluster": whole.get("cluster"), "host": host}


def _item(result: Any) -> dict[str, Any] | RejectedItem:  # noqa: ANN401 - any JSON value
    """Return the result as an event with a time and an entry, or a `RejectedItem`."""
    if type(result) is not dict:
        return RejectedItem(result, "not an object")
    if type(result.get("entry")) is dict:  # what a dead letter keeps
        result = {"time": result.get("time"), **result["entry"]}
    target, zone, verdict = _target(result.get("target")), _name(result.get("list")), result.get("verdict")
    if target is None:
        return RejectedItem(result, "`target` is neither an IP address nor a domain in lower case")
    if zone is None:
        return RejectedItem(result, "`list` is no zone in lower case")
    if type(verdict) is not str or verdict not in VERDICTS:
        return RejectedItem(result, f"`verdict` is none of {', '.join(sorted(VERDICTS))}")
    entry = {"action": verdict, "target": target, "list": zone, "verdict": verdict} | _details(result)
    return {"time": result.get("time"), "entry": entry}


def _details(result: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that do not identify a result.

    A value that its field cannot hold is null; a long one is cut.
    """
    codes = [_ip(code) for code in _texts(result.get("codes"))]
    meanings = [_readable(text, MEANING_CHARACTERS) for text in _texts(result.get("meanings"))]
    since = result.get("standing_since")
    return {
        "name": _name(result.get("name")),
        "detail": _detail(result.get("detail")),
        "codes": list(filter(None, codes)),
        "meanings": list(filter(None, meanings)),
        "severity": _severity(result.get("severity")),
        "reason": _readable(result.get("reason"), REASON_CHARACTERS),
        "previous": _one_of(VERDICTS, result.get("previous")),
        "standing": _one_of(STANDINGS, result.get("standing")),
        "standing_since": since if type(since) is int and 0 <= since <= YEAR_2200_MS else None,
    }


def _ip(value: object) -> str | None:
    return addresses.canonical_ip(value) if type(value) is str else None


def _name(value: object) -> str | None:
    return value if type(value) is str and _NAME.fullmatch(value) else None


def _target(value: object) -> str | None:
    found = _ip(value)
    if found is not None:
        return found
    name = _name(value)
    # The last label of a name is not a number (RFC 3696, 2): 192.0.2.999 is a broken address.
    return None if name is None or name.rpartition(".")[2].isdigit() else name


def _detail(value: object) -> str | None:
    return value if type(value) is str and _WORD.fullmatch(value) else None


def _one_of(words: frozenset[str], value: object) -> str | None:
    return value if type(value) is str and value in words else None


def _severity(value: object) -> str | None:
    word = _one_of(SEVERITIES | FORMER_SEVERITIES.keys(), value)
    return word and FORMER_SEVERITIES.get(word, word)


def _texts(value: object) -> list[str]:
    return [text for text in value[:CODES] if type(text) is str] if type(value) is list else []


def _readable(value: object, characters: int) -> str | None:
    """Return the text, cut, with a space for each invisible character: control characters, and characters that change
    the direction of a line.
    """
    if type(value) is not str or not value:
        return None
    return "".join(one if one.isprintable() else " " for one in value[:characters])


def result_of(entry: Entry, received_at: int) -> DnsblResult:
    """Return the row of an entry that passed the border."""
    fields = entry.fields
    target = fields["target"]
    return DnsblResult(
        cluster=entry.cluster,
        received_at=received_at,
        time=entry.time,
        event_id=f"{target}:{fields['list']}:{fields['verdict']}",
        host=entry.host,
        kind=DOMAIN if addresses.canonical_ip(target) is None else ADDRESS,
        **{key: value for key, value in fields.items() if key != "action"},
    )
