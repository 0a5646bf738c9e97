"""The metric families with a series for each pair of target and list.

Each pair's lines are kept as bytes and replaced when its verdict changes. Thousands of pairs render in milliseconds;
prometheus_client's gauges would hold the event loop for a quarter of a second (docs/benchmarks.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from duckwatch.base.heads import prefers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import CollectorRegistry

OPENMETRICS: Final = "application/openmetrics-text"
OPENMETRICS_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_EOF: Final = b"# EOF\n"


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """A gauge that this module renders itself."""

    name: str
    about: str
    labels: tuple[str, ...]

    @property
    def head(self) -> bytes:
        """The HELP and TYPE lines, the same in both formats."""
        return f"# HELP {self.name} {self.about}\n# TYPE {self.name} gauge\n".encode()


LISTED: Final = MetricFamily(
    "duckwatch_dnsbl_listed", "1 listed, 0 clean: the last real verdict while it is kept", ("target", "list")
)
INFO: Final = MetricFamily(
    "duckwatch_dnsbl_listing_info", "1 for each code of a standing listing", ("target", "list", "code", "severity")
)
LAPSED: Final = MetricFamily(
    "duckwatch_dnsbl_listing_lapsed",
    "1 where a listing was the last real verdict, and is too old to be claimed",
    ("target", "list", "severity"),
)
PAIR_FAMILIES: Final = (LISTED, INFO, LAPSED)


class PairLines:
    """The rendered metric lines of each pair of target and list."""

    def __init__(self) -> None:
        self._listed: dict[tuple[str, str], bytes] = {}
        self._info: dict[tuple[str, str], bytes] = {}
        self._lapsed: dict[tuple[str, str], bytes] = {}

    def set(self, target: str, dns_list: str, *, listed: bool, codes: Iterable[tuple[str, str]] = ()) -> None:
        """Show the pair as listed, with its codes and their severities, or as clean."""
        pair, labels = (target, dns_list), _labels(target, dns_list)
        self._lapsed.pop(pair, None)
        self._listed[pair] = f"{LISTED.name}{{{labels}}} {int(listed)}\n".encode()
        info = "".join(
            f'{INFO.name}{{{labels},code="{_escape(code)}",severity="{_escape(severity)}"}} 1\n'
            for code, severity in codes
        )
        if info:
            self._info[pair] = info.encode()
        else:
            self._info.pop(pair, None)

    def remove(self, target: str, dns_list: str) -> None:
        """Remove every line of the pair."""
        for lines in (self._listed, self._info, self._lapsed):
            lines.pop((target, dns_list), None)

    def lapse(self, target: str, dns_list: str, severities: Iterable[str]) -> None:
        """Replace the pair's lines by "lapsed" ones, one for each severity of its last listing;
        none if it was clean.
        """
        self.remove(target, dns_list)
        labels = _labels(target, dns_list)
        lines = "".join(f'{LAPSED.name}{{{labels},severity="{_escape(severity)}"}} 1\n' for severity in severities)
        if lines:
            self._lapsed[target, dns_list] = lines.encode()

    def render(self, registry: CollectorRegistry, accept: str = "") -> tuple[bytes, str]:
        """Return the whole page with its content type: the registry's families, then those of the pairs."""
        pairs = [LISTED.head, *self._listed.values(), INFO.head, *self._info.values()]
        pairs += [LAPSED.head, *self._lapsed.values()]
        if prefers(accept, OPENMETRICS):
            page = generate_openmetrics(registry).removesuffix(_EOF)  # type: ignore[no-untyped-call]  # not typed
            return b"".join([page, *pairs, _EOF]), OPENMETRICS_TYPE
        page = generate_latest(registry)
        return b"".join([page, *pairs]), TEXT_TYPE


def _labels(target: str, dns_list: str) -> str:
    return f'target="{_escape(target)}",list="{_escape(dns_list)}"'


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
