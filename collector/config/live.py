"""Settings of Grafana Live: where windows are pushed, and the sender domains that have a window of their own."""

from __future__ import annotations

import re
from typing import Annotated, Final

import idna
from pydantic import AfterValidator, field_validator

from collector.config.connections import check_url
from duckwatch.base.config.values import BearerToken, Section

MAX_WATCHED: Final = 50
"""Each domain is a channel."""

MAX_TOP: Final = 100

_STREAM: Final = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)
_DOMAIN: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?", re.ASCII)


def _check_grafana(value: str) -> str:
    check_url(value)
    if "@" in value:
        raise ValueError("must have no user and no password: Grafana takes a token (token_file)")
    return value


def _check_stream(value: str) -> str:
    if not _STREAM.fullmatch(value):
        raise ValueError("must be a name of 1 to 40 ASCII letters, digits, _ and -")
    return value


def _spell_domain(value: str) -> str:
    """Return a domain in lower case and A-labels, as `sender_domain` has it. Raise ValueError."""
    name = value.strip().rstrip(".").lower()
    try:
        name = name if name.isascii() else idna.encode(name).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        name = ""
    if not _DOMAIN.fullmatch(name):
        raise ValueError("must be a domain like shop.example, without an address in front of it")
    return name


def _check_top(value: int) -> int:
    if not 1 <= value <= MAX_TOP:
        raise ValueError(f"must be a whole number from 1 to {MAX_TOP}")
    return value


class LiveSettings(Section):
    """The Grafana to which windows are pushed."""

    url: Annotated[str, AfterValidator(_check_grafana)]
    token: BearerToken
    stream: Annotated[str, AfterValidator(_check_stream)] = "duckwatch"
    watched_domains: tuple[Annotated[str, AfterValidator(_spell_domain)], ...] = ()
    top_domains: Annotated[int, AfterValidator(_check_top)] = 20

    @field_validator("watched_domains")
    @classmethod
    def _be_few(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(domains)) < len(domains):
            raise ValueError("must not name the same domain twice")
        if len(domains) > MAX_WATCHED:
            raise ValueError(f"must not name more than {MAX_WATCHED} domains: Grafana never forgets a channel")
        return domains
