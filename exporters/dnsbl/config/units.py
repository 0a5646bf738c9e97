"""Parse the intervals and resolvers of the exporter's settings. Errors name the right form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from duckwatch.base.config import units
from duckwatch.base.config.addresses import HOST_NAME, Endpoint, parse_ip, parse_port

if TYPE_CHECKING:
    from datetime import timedelta

DURATION_FORM: Final = "must be a duration like 10s, 5m or 12h"
RESOLVER_FORM: Final = "must be the IP address or host name of a resolver, like 127.0.0.1, [::1]:53 or unbound:53"

DNS_PORT: Final = 53


def parse_duration(value: object) -> timedelta:
    """Return `30s` as 30 seconds, at most a year. Raise ValueError."""
    return units.parse_duration(value, form=DURATION_FORM, years=1)


def parse_resolver(value: object) -> Endpoint:
    """Return the endpoint of `127.0.0.1`, `127.0.0.1:53`, `2001:db8::1`, `[2001:db8::1]:53`, `unbound` or `unbound:53`.

    Raise ValueError.
    """
    if isinstance(value, Endpoint):
        return value
    if not isinstance(value, str):
        raise ValueError(RESOLVER_FORM)  # noqa: TRY004 - pydantic reports ValueError only
    text = value.strip()
    try:
        return Endpoint(parse_ip(text.removeprefix("[").removesuffix("]"), RESOLVER_FORM), DNS_PORT)
    except ValueError:
        host, colon, port = text.rpartition(":") if ":" in text else (text, "", "")
        number = parse_port(port, RESOLVER_FORM) if colon else DNS_PORT
        if number == 0:
            raise ValueError(f"{RESOLVER_FORM}, with a port from 1 to 65535") from None
        is_name = HOST_NAME.fullmatch(host) and not host.rpartition(".")[2].isdigit()
        return Endpoint(
            host.lower() if is_name else parse_ip(host.removeprefix("[").removesuffix("]"), RESOLVER_FORM), number
        )
