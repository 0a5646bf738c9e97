"""The names in the shipped files that a house must replace by its own, and where they were left in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RUNBOOK: Final = "https://runbooks.duckwatch.example/runbook.md"
GRAFANA: Final = "https://grafana.duckwatch.example"

_LEFT: Final = re.compile(r"\b[\w.-]+\.example\b")
"""A host name of RFC 2606, which can never exist."""


def left_in(texts: Mapping[str, str]) -> Iterator[str]:
    """Yield `file:line: host` for each placeholder of each file, with the number of its further lines.

    A host is named once a file, at its first line. Comments may show examples.
    """
    for path, text in texts.items():
        lines: dict[str, list[int]] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.lstrip().startswith("#"):
                for host in set(_LEFT.findall(line)):
                    lines.setdefault(host, []).append(number)
        for host, numbers in lines.items():
            more = f" (and {len(numbers) - 1} more)" if len(numbers) > 1 else ""
            yield f"{path}:{numbers[0]}{more}: {host}"
