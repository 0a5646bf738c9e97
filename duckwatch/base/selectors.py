"""Job selectors: label matchers for each program's metrics, added to the PromQL of every panel and rule."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIXES = {"duckwatch_dnsbl_": "dnsbl", "duckwatch_": "collector", "zonemta_": "zonemta", "wildduck_": "wildduck"}
"""The program whose metrics have this prefix. The first prefix that matches decides."""

METRIC = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*")|(?<![\w:])(?P<name>(?:duckwatch|zonemta|wildduck)_\w+)(?![\w:])(?P<labels>\{(?P<none>\s*\})?)?'
)
"""A quoted text, which is not changed, or a metric.

A recorded series (`level:metric:operation`) does not match: its recording rule has selected the job already.
"""


_MATCHERS: Final = re.compile(
    r'\w+\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"(?:\s*,\s*\w+\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*")*'
)


def checked_matchers(text: str) -> str:
    """Return label matchers, without the braces around them. Raise ValueError for what is none."""
    if not _MATCHERS.fullmatch(text):
        raise ValueError('must be label matchers of PromQL like job="duckwatch-collector"')
    return text


def selected(expr: str, jobs: Mapping[str, str]) -> str:
    """Return the expression with each metric restricted by the matchers of its program in `jobs`."""
    return METRIC.sub(lambda found: _with_matcher(found, jobs), expr)


def _with_matcher(found: re.Match[str], jobs: Mapping[str, str]) -> str:
    name = found["name"]
    if name is None:
        return found[0]
    matcher = jobs.get(next(program for prefix, program in PREFIXES.items() if name.startswith(prefix)), "")
    if not matcher:
        return found[0]
    return f"{name}{{{matcher}, " if found["labels"] and not found["none"] else f"{name}{{{matcher}}}"
