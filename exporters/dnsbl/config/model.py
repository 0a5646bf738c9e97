"""The exporter's settings: every key, its type, its default, and the rules that join keys (docs/configuration.md)."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import IPv4Network
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from duckwatch.base.config import values
from duckwatch.base.config.addresses import Endpoint, Endpoints
from duckwatch.base.config.values import BearerToken, IpAddress, SettingsDocument, at_least, listens_like
from exporters.dnsbl.config.units import parse_duration, parse_resolver
from exporters.dnsbl.lists import Effect, Severity, names
from exporters.dnsbl.lists.catalogue import holds_key
from exporters.dnsbl.lists.names import Range, TargetKind

_KEY: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII | re.IGNORECASE)
_FORMER_SEVERITIES: Final = {"page": Severity.CRITICAL, "ticket": Severity.WARNING}
"""Severities of earlier versions. They are errors, not aliases: metrics and alerts show only the new word."""


def _check_zone(value: str) -> str:
    try:
        zone = names.domain(value)
    except ValueError:
        raise ValueError("must be the name of a zone like bl.example.org") from None
    if holds_key(zone):
        raise ValueError(
            "must not hold the list's key: put the key into a file for key_file, and here the zone without it"
        )
    return zone


def _check_key(value: SecretStr) -> SecretStr:
    if not _KEY.fullmatch(value.get_secret_value()):
        raise ValueError("must be one label of a name: letters, digits and hyphens")
    return value


def _check_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        # An @ anywhere may end a password: a / in the password moves the rest of it into the path.
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.query
    except ValueError:
        good = False
    if not good or "@" in value:
        raise ValueError(
            "must be a URL like http://127.0.0.1:9626, without user and password: token is a key of its own"
        )
    return value.rstrip("/")


def _check_code(value: object) -> str:
    try:
        return str(IPv4Network(value))
    except (ValueError, TypeError):
        raise ValueError("must be an answer like 127.0.0.2 or a range of them like 127.0.0.4/30") from None


def _check_test_point(value: str) -> str:
    return value if not value or "." not in value else _parsed(value)


def _parsed(value: str) -> str:
    found = names.parse(value)
    return found if isinstance(found, str) else str(found.network_address)


def _as_mapping(key: str) -> BeforeValidator:
    """Return a validator that turns a bare value, as a text, into a mapping with this one key."""
    return BeforeValidator(lambda value: value if isinstance(value, (dict, BaseModel)) else {key: value})


def _refuse_former_severity(value: object) -> object:
    if isinstance(value, str) and value in _FORMER_SEVERITIES:
        raise ValueError(f"must be critical, warning or info: type {_FORMER_SEVERITIES[value]} instead of {value}")
    return value


def _parse_target(value: object) -> Range | str:
    if not isinstance(value, str):
        raise ValueError(names.TARGET_FORM)  # noqa: TRY004 - pydantic reports ValueError only
    return names.parse(value)


Interval = Annotated[timedelta, BeforeValidator(parse_duration), at_least(timedelta(seconds=10))]
Zone = Annotated[str, AfterValidator(_check_zone)]
Grade = Annotated[Severity, BeforeValidator(_refuse_former_severity)]


class Section(values.Section):
    """A group of keys; some have types that pydantic does not know."""

    model_config = ConfigDict(arbitrary_types_allowed=True)


class TargetSettings(Section):
    """One entry of `targets`: an address, a range, or a name."""

    target: Annotated[Any, BeforeValidator(_parse_target)]
    treat_as: Literal["host", "domain", "both"] = "both"
    interval: Interval | None = None


class CodeSettings(Section):
    """The meaning of one answer code of a list."""

    meaning: Annotated[str, Field(max_length=200)] = "listed"
    severity: Grade | None = None
    effect: Effect = Effect.LISTED


class TestPointSettings(Section):
    """The test points of a list (RFC 5782, 5). An empty text means that the list has none."""

    listed: Annotated[str, AfterValidator(_check_test_point)] | None = None
    unlisted: Annotated[str, AfterValidator(_check_test_point)] | None = None


class ListSettings(Section):
    """One entry of `lists` or `more_lists`. The catalogue fills in missing keys of a zone that it knows."""

    zone: Zone
    kind: TargetKind | None = None
    key: Annotated[SecretStr, AfterValidator(_check_key)] | None = None
    ipv4: bool | None = None
    ipv6: bool | None = None
    codes: (
        dict[Annotated[str, BeforeValidator(_check_code)], Annotated[CodeSettings, _as_mapping("meaning")]] | None
    ) = None
    severity: Grade | None = None
    test: TestPointSettings | None = None
    delisting: str | None = None
    interval: Interval | None = None
    queries_per_minute: Annotated[int, Field(gt=0)] | None = None


class LimitSettings(Section):
    """Limits on queries sent and requests answered. `null` means no limit."""

    queries_per_minute_per_list: Annotated[int, Field(gt=0)] | None = 100
    queries_per_minute: Annotated[int, Field(gt=0)] | None = 6000
    in_flight_per_resolver: Annotated[int, Field(gt=0, le=1000)] = 128
    in_flight_per_list: Annotated[int, Field(gt=0, le=1000)] = 8
    targets: Annotated[int, Field(gt=0, le=100_000)] = 4096
    probes_per_minute: Annotated[int, Field(gt=0)] = 60
    connections: Annotated[int, Field(gt=0)] = 256


class CollectorSettings(Section):
    """The collector that changes are posted to, and whose metrics name the sending addresses."""

    url: Annotated[str, AfterValidator(_check_url)] = "http://127.0.0.1:9626"
    token: BearerToken | None = None
    post: bool = True
    targets: bool = False


class DnsblSettings(Section):
    """The section `dnsbl`."""

    listen: Annotated[Endpoint | Endpoints, listens_like(9627)] = Endpoint("127.0.0.1", 9627)
    resolvers: Annotated[tuple[Annotated[Endpoint, BeforeValidator(parse_resolver)], ...], Field(min_length=1)] = (
        Endpoint("127.0.0.1", 53),
    )
    timeout: Annotated[timedelta, BeforeValidator(parse_duration), at_least(timedelta(milliseconds=50))] = timedelta(
        seconds=2
    )
    targets: tuple[Annotated[TargetSettings, _as_mapping("target")], ...] = ()
    target_files: tuple[str, ...] = ()
    lists: tuple[Annotated[ListSettings, _as_mapping("zone")], ...] | None = None
    more_lists: tuple[Annotated[ListSettings, _as_mapping("zone")], ...] = ()
    interval: Interval = timedelta(minutes=5)
    limits: LimitSettings = LimitSettings()
    collector: CollectorSettings | None = None
    public_ips: dict[IpAddress, IpAddress] = Field(default_factory=dict)


class Settings(SettingsDocument):
    """The whole configuration of the exporter."""

    dnsbl: DnsblSettings = DnsblSettings()
