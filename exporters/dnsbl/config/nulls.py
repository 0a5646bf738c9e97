"""Where null is a value of its own, and not the default."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel

from exporters.dnsbl.config.document import SECRETS
from exporters.dnsbl.config.model import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator


def is_null_a_value(keys: list[str]) -> bool:
    """Return True for a key that has another default and may be null, and for an unknown key: it is to stay, as the fault that it is."""
    model: type[BaseModel] | None = Settings
    field = None
    for key in keys:
        name = key.removesuffix("_file") if key.removesuffix("_file") in SECRETS else key
        field = model.model_fields.get(name) if model is not None else None
        if field is None:
            return True
        model = next(_models(field.annotation), None)
    return field is not None and field.default is not None and type(None) in get_args(field.annotation)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
