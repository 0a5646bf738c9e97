"""How settings write quantities and addresses, each with an error that says what would be right."""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from typing import Final, NamedTuple

_DURATION: Final = re.compile(r"([0-9]{1,12})(ms|s|m|h|d|y)", re.ASCII)
_MILLISECONDS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "y": 365 * 86_400_000}
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?", re.ASCII)
_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)

DURATION_FORM: Final = "must be a duration like 10s, 5m or 12h"
LISTEN_FORM: Final = "must be HOST:PORT like 127.0.0.1:9627 or [::1]:9627"
RESOLVER_FORM: Final = "must be the IP address or host name of a resolver, like 127.0.0.1, [::1]:53 or unbound:53"
IP_FORM: Final = "must be an IP address like 192.0.2.5 or 2001:db8::5"

DNS_PORT: Final = 53


class Endpoint(NamedTuple):
    """A host and a port."""

    host: str
    port: int

    @property
    def each(self) -> tuple[Endpoint, ...]:
        """This one alone; the same property of `Endpoints` has all of a list."""
        return (self,)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Endpoints(NamedTuple):
    """Several addresses to listen on."""

    each: tuple[Endpoint, ...]

    def __str__(self) -> str:
        return ", ".join(map(str, self.each))


def parse_duration(value: object) -> timedelta:
    """`30s` -> 30 seconds. Raises ValueError."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(DURATION_FORM)
    milliseconds = int(match[1]) * _MILLISECONDS[match[2]]
    if milliseconds > _MILLISECONDS["y"]:
        raise ValueError(f"{DURATION_FORM}, at most 1y")
    return timedelta(milliseconds=milliseconds)


def format_duration(value: timedelta) -> str:
    """The shortest way to write a duration: the inverse of `parse_duration`."""
    milliseconds = round(value / timedelta(milliseconds=1))
    for unit in ("d", "h", "m", "s"):
        if milliseconds and milliseconds % _MILLISECONDS[unit] == 0:
            return f"{milliseconds // _MILLISECONDS[unit]}{unit}"
    return f"{milliseconds}ms"


def parse_listen(value: object) -> Endpoint:
    """`127.0.0.1:9627` or `[::1]:9627`; port 0 means any free one. Raises ValueError."""
    if isinstance(value, Endpoint):
        return value
    host, colon, port = value.strip().rpartition(":") if isinstance(value, str) else ("", "", "")
    if host.startswith("[") and host.endswith("]") and ":" in host:
        host = _ip(host[1:-1], LISTEN_FORM)
    elif not _HOST.fullmatch(host):
        raise ValueError(LISTEN_FORM)
    return Endpoint(host, _port(port if colon else "", LISTEN_FORM))


def parse_listens(value: object) -> Endpoint | Endpoints:
    """One address, or a list of different ones. Raises ValueError."""
    if isinstance(value, Endpoints):
        return value
    if not isinstance(value, (list, tuple)) or isinstance(value, Endpoint):
        return parse_listen(value)
    if not value:
        raise ValueError('must be HOST:PORT, or a list of them like ["127.0.0.1:9627", "[::1]:9627"]')
    each = tuple(parse_listen(one) for one in value)
    if len(set(each)) < len(each):
        raise ValueError("must not name the same address twice")
    return each[0] if len(each) == 1 else Endpoints(each)


def parse_resolver(value: object) -> Endpoint:
    """`127.0.0.1`, `127.0.0.1:53`, `2001:db8::1`, `[2001:db8::1]:53`, `unbound` or `unbound:53`. Raises ValueError."""
    if isinstance(value, Endpoint):
        return value
    if not isinstance(value, str):
        raise ValueError(RESOLVER_FORM)  # noqa: TRY004 - pydantic reports ValueError only
    text = value.strip()
    try:
        return Endpoint(_ip(text.removeprefix("[").removesuffix("]"), RESOLVER_FORM), DNS_PORT)
    except ValueError:
        host, colon, port = text.rpartition(":") if ":" in text else (text, "", "")
        number = _port(port, RESOLVER_FORM) if colon else DNS_PORT
        is_name = _HOST.fullmatch(host) and not host.rpartition(".")[2].isdigit()
        return Endpoint(
            host.lower() if is_name else _ip(host.removeprefix("[").removesuffix("]"), RESOLVER_FORM), number
        )


def parse_ip(value: object) -> str:
    """An IP address as canonical text. Raises ValueError."""
    return _ip(value.strip() if isinstance(value, str) else "", IP_FORM)


def _ip(text: str, form: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(form) from None


def _port(text: str, form: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65_535:
        raise ValueError(f"{form}, with a port from 0 to 65535")
    return int(text)
