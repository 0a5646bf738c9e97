"""Types and rules that several keys of the settings share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, SecretStr

from collector.config.connections import check_postgres
from duckwatch.base.config.addresses import Endpoint, Endpoints
from duckwatch.base.config.values import listens_like

_CLUSTER: Final = re.compile(r"[^\x00-\x1f\x7f]{1,255}")


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
    if value.parts[0].startswith("~"):
        raise ValueError("must be a path without ~, which only a shell replaces: write the folder")
    return value


Dsn = Annotated[SecretStr, AfterValidator(_check_dsn)]
Cluster = Annotated[str, AfterValidator(_check_cluster)]
FilePath = Annotated[Path, AfterValidator(_check_path)]
ListenAt = Annotated[Endpoint | Endpoints, listens_like(9626)]
