"""Reading settings: every fault of file, environment and secrets at once, each with its key and what would be right."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel, ValidationError

from exporters.dnsbl.config.document import SECRETS, lay_environment, read_file, read_secrets
from exporters.dnsbl.config.model import OTHER_SECTIONS, Settings
from exporters.dnsbl.config.nulls import is_null_a_value
from exporters.dnsbl.config.sources import SECTION
from exporters.dnsbl.errors import ConfigError, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails

_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,64}", re.ASCII)

_PROBLEMS: Final = {
    "missing": "must be set",
    "string_type": "must be text (put it in quotes)",
    "path_type": "must be a path",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "model_type": "must be a mapping of keys",
    "model_attributes_type": "must be a mapping of keys",
    "dict_type": "must be a mapping",
    "tuple_type": "must be a list",
    "too_short": "must hold at least one",
    "string_too_long": "must be shorter",
}
"""pydantic's error types in this program's words."""


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings of `path` (None: defaults) with `environ` over them. Raises ConfigError with every fault found."""
    faults: list[Fault] = []
    document = read_file(path, faults) if path is not None else {}
    for key in [key for key in document if key != SECTION]:
        del document[key]
        if key not in OTHER_SECTIONS:
            faults.append(Fault(_dotted((key,)), "is not a section"))
    lay_environment(document, SECTION, environ, is_null_a_value)
    read_secrets(document, faults)
    _drop_nulls(document)
    settings = None
    try:
        settings = Settings(**document)
    except ValidationError as error:
        told = {fault.key.removesuffix("_file") for fault in faults}
        found = {
            fault.key: fault
            for fault in map(_fault, error.errors(include_url=False, include_context=True, include_input=False))
        }
        # A list that is empty only because of what is wrong inside it is not at fault itself.
        inner = {key.rpartition(".")[0] for key in found}
        faults.extend(fault for key, fault in found.items() if key not in told and key not in inner)
    if settings is None or faults:
        raise ConfigError(faults)
    return settings


def _drop_nulls(document: dict[str, Any]) -> None:
    """A section written as `null` counts as not written."""
    if document.get(SECTION) is None:
        document.pop(SECTION, None)
    elif isinstance(document[SECTION], dict):
        section = document[SECTION]
        for name in ("limits", "public_ips", "targets", "target_files", "more_lists", "resolvers"):
            if name in section and section[name] is None:
                del section[name]


def _fault(detail: ErrorDetails) -> Fault:
    location, kind, context = detail["loc"], detail["type"], detail.get("ctx", {})
    # pydantic puts this after the key of a mapping whose key is at fault.
    if location and location[-1] == "[key]":
        location = location[:-1]
    match kind:
        case "extra_forbidden":
            problem = _unknown(location)
        case "value_error":
            problem = str(context.get("error", "is not valid"))
        case "enum" | "literal_error":
            problem = f"must be {context.get('expected', 'one of the known words')}"
        case "greater_than":
            problem = f"must be more than {context.get('gt', 0)}"
        case "less_than_equal":
            problem = f"must be at most {context.get('le')}"
        case _:
            problem = _PROBLEMS.get(kind, "is not valid: docs/configuration.md says what is")
    return Fault(_dotted(location), problem)


def _unknown(location: tuple[int | str, ...]) -> str:
    known = sorted(_keys_beside(location))
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return "is not a known key: " + (f"did you mean {close[0]}?" if close else f"known here are {', '.join(known)}")


def _keys_beside(location: tuple[int | str, ...]) -> set[str]:
    model: type[BaseModel] = Settings
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        model = next(_models(field.annotation), model) if field is not None else model
    return {*model.model_fields, *(f"{name}_file" for name in SECRETS if name in model.model_fields)}


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _dotted(location: tuple[Any, ...]) -> str:
    """The key's path; a part that does not look like a key could be a misplaced secret, and is not repeated."""
    return ".".join(str(part) if _PLAIN_KEY.fullmatch(str(part)) else "(not a key)" for part in location)
