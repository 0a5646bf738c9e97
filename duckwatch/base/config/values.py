"""Building blocks of settings models: sections, the document that holds them, and types that several keys share."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainValidator, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from duckwatch.base.config.addresses import IP_FORM, parse_ip, parse_listens
from duckwatch.base.config.units import format_duration, format_size, parse_duration, parse_size

if TYPE_CHECKING:
    from pydantic_settings import PydanticBaseSettingsSource

SECTIONS: Final = frozenset({"collector", "dnsbl", "grafana"})
"""The sections of duckwatch.yml. Each program validates its own and ignores the others."""

_TOKEN: Final = re.compile(r"[!-~]{1,1024}", re.ASCII)


class Section(BaseModel):
    """A group of keys. Unknown keys are errors, and errors never quote a value."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=False)


class SettingsDocument(BaseSettings):
    """The part of duckwatch.yml that one program reads: a field for its section."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use only the values that `load` passes: pydantic must not read the process's environment itself."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def at_least(minimum: timedelta) -> AfterValidator:
    """Return a validator that refuses a duration shorter than `minimum`."""

    def check(value: timedelta) -> timedelta:
        if value < minimum:
            raise ValueError(f"must be at least {format_duration(minimum)}")
        return value

    return AfterValidator(check)


def from_bytes(minimum: int) -> AfterValidator:
    """Return a validator that refuses a size smaller than `minimum`."""

    def check(value: int) -> int:
        if value < minimum:
            raise ValueError(f"must be at least {format_size(minimum)}")
        return value

    return AfterValidator(check)


def listens_like(port: int) -> PlainValidator:
    """Return a validator that parses listening endpoints. Its faults show an example with `port`."""
    return PlainValidator(lambda value: parse_listens(value, port))


def _check_token(value: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("must be 1 to 1024 printable ASCII characters without spaces")
    return value


def _parse_address(value: object) -> str:
    address = parse_ip(value)
    if "%" in address:
        raise ValueError(f"{IP_FORM}, without the name of an interface")
    return address


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]
IpAddress = Annotated[str, BeforeValidator(_parse_address)]
BearerToken = Annotated[SecretStr, AfterValidator(_check_token)]
