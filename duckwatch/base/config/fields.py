"""Inspect the keys of a settings model: which are secrets, which are lists or maps, which may be null."""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

FILE_SUFFIX: Final = "_file"
"""Suffix of the key that names a secret's file: `token` can also be given as `token_file`."""

T = TypeVar("T")


def field_at(model: type[BaseModel], keys: list[str]) -> FieldInfo | None:
    """Return the field of a dotted key, None if there is none or the key is within a list."""
    field = None
    for position, key in enumerate(keys):
        field = model.model_fields.get(key)
        if field is None:
            return None
        if position < len(keys) - 1:
            inner = members(field.annotation, BaseModel)
            if not inner:
                return None
            model = inner[0]
    return field


def is_secret(field: FieldInfo) -> bool:
    """Return True for a key that can also be given as `<key>_file`."""
    return bool(members(field.annotation, SecretStr))


def is_structured(field: FieldInfo | None) -> bool:
    """Return True for a key that holds a section, a list or a map."""
    return field is not None and any(
        (get_origin(part) or part) in (dict, list, tuple) or (isinstance(part, type) and issubclass(part, BaseModel))
        for part in _alternatives(field.annotation)
    )


def is_optional(field: FieldInfo) -> bool:
    """Return True for a key that may be null."""
    return type(None) in _alternatives(field.annotation)


def members(annotation: object, kind: type[T]) -> list[type[T]]:
    """Return the types of `kind` in an annotation: itself, its alternatives, the items of lists and maps."""
    return list(_search(annotation, kind))


def mappings(
    document: dict[Any, Any], model: type[BaseModel], prefix: str = ""
) -> Iterator[tuple[str, dict[Any, Any], type[BaseModel]]]:
    """Yield every mapping of a document that a model describes, outermost first.

    Each comes with the prefix of its keys (`collector.auth.`, empty for the whole document) and its model.
    """
    yield prefix, document, model
    for name, field in model.model_fields.items():
        for inner in members(field.annotation, BaseModel):
            for key, part in _parts(document.get(name), field, f"{prefix}{name}"):
                yield from mappings(part, inner, f"{key}.")


def drop_nulls(document: dict[Any, Any], model: type[BaseModel]) -> None:
    """Remove sections, lists and maps that are null, so that their defaults apply: all their lines may be comments."""
    for _, mapping, inner in mappings(document, model):
        for name, field in inner.model_fields.items():
            if name in mapping and mapping[name] is None and is_structured(field) and not is_optional(field):
                del mapping[name]


def _parts(value: object, field: FieldInfo, key: str) -> Iterator[tuple[str, dict[Any, Any]]]:
    if isinstance(value, dict) and any(get_origin(part) is dict for part in _alternatives(field.annotation)):
        yield from ((f"{key}.{name}", part) for name, part in value.items() if isinstance(part, dict))
    elif isinstance(value, dict):
        yield key, value
    elif isinstance(value, list):
        yield from ((f"{key}.{index}", part) for index, part in enumerate(value) if isinstance(part, dict))


def _alternatives(annotation: object) -> tuple[object, ...]:
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(part for one in get_args(annotation) for part in _alternatives(one))
    return (annotation,)


def _search(annotation: object, kind: type[Any]) -> Iterator[type[Any]]:
    if isinstance(annotation, type) and not get_origin(annotation) and issubclass(annotation, kind):
        yield annotation
    for part in get_args(annotation):
        yield from _search(part, kind)
