"""What a value of the settings may be: the types that their keys share, and the rules of those."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainValidator, SecretStr

from collector.config.connections import check_postgres
from collector.config.units import (
    Listen,
    Listens,
    format_duration,
    format_size,
    parse_duration,
    parse_ip,
    parse_listens,
    parse_size,
)

_CLUSTER: Final = re.compile(r"[^\x00-\x1f\x7f]{1,255}")


def at_least(minimum: timedelta) -> AfterValidator:
    """A duration of no less."""

    def check(value: timedelta) -> timedelta:
        if value < minimum:
            raise ValueError(f"must be at least {format_duration(minimum)}")
        return value

    return AfterValidator(check)


def from_bytes(minimum: int) -> AfterValidator:
    """A size of no less."""

    def check(value: int) -> int:
        if value < minimum:
            raise ValueError(f"must be at least {format_size(minimum)}")
        return value

    return AfterValidator(check)


def _check_dsn(value: SecretStr) -> SecretStr:
    check_postgres(value.get_secret_value())
    return value


def _check_cluster(value: str) -> str:
    if not _CLUSTER.fullmatch(value):
        raise ValueError("must be a name of 1 to 255 characters without control characters")
    return value


def _check_path(value: Path) -> Path:
    if not value.name or "\0" in str(value):
        raise ValueError("must be a path like /var/lib/duckwatch/journal")
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]
Address = Annotated[str, BeforeValidator(parse_ip)]
Dsn = Annotated[SecretStr, AfterValidator(_check_dsn)]
Cluster = Annotated[str, AfterValidator(_check_cluster)]
FilePath = Annotated[Path, AfterValidator(_check_path)]
ListenAt = Annotated[Listen | Listens, PlainValidator(parse_listens)]


class Section(BaseModel):
    """A group of keys. Unknown keys are errors; what was written never appears in an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=False)
