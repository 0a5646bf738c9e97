"""Environment variables like `DUCKWATCH_COLLECTOR__LISTEN`, which override the configuration file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from duckwatch.base.config.fields import FILE_SUFFIX, field_at, is_optional, is_structured
from duckwatch.base.config.values import SECTIONS
from duckwatch.base.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

ENV_PREFIX: Final = "DUCKWATCH_"


def lay_environment(
    document: dict[Any, Any], model: type[BaseModel], environ: Mapping[str, str], faults: list[Fault]
) -> None:
    """Set in `document` the values of `DUCKWATCH_SECTION__KEY` variables. Lists and maps are JSON; `null` unsets a key.

    Variables of other programs' sections are ignored. Variables of an unknown section are set too, and become faults.
    """
    variables = {
        name: keys
        for name in environ
        if name.startswith(ENV_PREFIX)
        and len(keys := name.removeprefix(ENV_PREFIX).lower().split("__")) > 1
        and (keys[0] in model.model_fields or keys[0] not in SECTIONS)
    }
    # `null` first: one variable may unset a secret's file while another sets the secret.
    for name in sorted(variables, key=lambda name: (environ[name] != "null", name)):
        keys = variables[name]
        value: Any = environ[name]
        if value == "null":
            _unset(document, model, keys)
            continue
        if is_structured(field_at(model, keys)):
            try:
                value = json.loads(value, object_pairs_hook=_without_duplicates)
            except _KeyTwiceError:
                faults.append(Fault(".".join(keys), f"gives a key twice in {name}: join the two"))
                continue
            except (ValueError, RecursionError):
                faults.append(Fault(".".join(keys), f"must be JSON (a list or a map) in {name}"))
                continue
        _place(document, keys, value)


class _KeyTwiceError(Exception):
    """A map has a key twice. JSON leaves open which one counts; YAML forbids it."""


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise _KeyTwiceError
    return dict(pairs)


def _unset(document: dict[Any, Any], model: type[BaseModel], keys: list[str]) -> None:
    """Remove a key, so that its default applies. An unknown key stays, so that it becomes a fault."""
    field = field_at(model, keys)
    if field is None and field_at(model, [*keys[:-1], keys[-1].removesuffix(FILE_SUFFIX)]) is None:
        _place(document, keys, None)
        return
    if field is not None and is_optional(field) and field.default is not None:
        _place(document, keys, None)  # null differs from this key's default
        return
    inner: Any = document
    for key in keys[:-1]:
        inner = inner.get(key) if isinstance(inner, dict) else None
    if isinstance(inner, dict):
        secret = keys[-1].removesuffix(FILE_SUFFIX)
        inner.pop(secret, None)
        inner.pop(secret + FILE_SUFFIX, None)


def _place(document: dict[Any, Any], keys: list[str], value: Any) -> None:  # noqa: ANN401 - any YAML value
    for key in keys[:-1]:
        inner = document.get(key)
        if not isinstance(inner, dict):
            inner = document[key] = {}
        document = inner
    last = keys[-1]
    document[last] = value
    # A secret from the environment replaces the file's, whether either is a value or the name of a secret file.
    document.pop(last.removesuffix(FILE_SUFFIX) if last.endswith(FILE_SUFFIX) else last + FILE_SUFFIX, None)
