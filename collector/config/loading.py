"""Reading settings: every fault of file, environment and secrets at once, each with its key and what would be right."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel, ValidationError

from collector.config.document import FILE_SUFFIX, is_secret, lay_environment, read_file, read_secret_files
from collector.config.model import OTHER_SECTIONS, Settings
from collector.errors import ConfigError, Fault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails

_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)

_PROBLEMS: Final = {
    "missing": "must be set",
    "string_type": "must be text (put it in quotes)",
    "path_type": "must be a path",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "model_type": "must be a mapping of keys",
    "model_attributes_type": "must be a mapping of keys",
    "dict_type": "must be a mapping",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
}
"""pydantic's error types in this program's words."""


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Returns the settings of `path` (None: defaults) with `environ` over them. Raises ConfigError with every fault found."""
    return load_with_files(path, environ)[0]


def load_with_files(path: Path | None, environ: Mapping[str, str]) -> tuple[Settings, list[Path]]:
    """Returns the settings as `load` does, and the files that held a secret of them."""
    faults: list[Fault] = []
    document = read_file(path, faults) if path is not None else {}
    for key in [key for key in document if not isinstance(key, str) or key in OTHER_SECTIONS]:
        del document[key]
        if key not in OTHER_SECTIONS:
            faults.append(Fault(_dotted((key,)), "is not a section"))
    lay_environment(document, Settings, environ, faults)
    secret_files = read_secret_files(document, Settings, faults)
    settings = None
    try:
        settings = Settings(**document)
    except ValidationError as error:
        told = {fault.key.removesuffix(FILE_SUFFIX) for fault in faults}
        found = (
            _fault(detail) for detail in error.errors(include_url=False, include_context=True, include_input=False)
        )
        faults.extend(fault for fault in found if fault.key not in told)
    if settings is None or faults:
        raise ConfigError(faults)
    return settings, secret_files


def _fault(detail: ErrorDetails) -> Fault:
    location = detail["loc"]
    kind = detail["type"]
    # pydantic puts this after the key of a mapping whose key is at fault.
    is_of_mapping = bool(location) and location[-1] == "[key]"
    if is_of_mapping:
        location = location[:-1]
    problem = _unknown(location) if kind == "extra_forbidden" else _problem(detail)
    return Fault(_dotted(location), problem, is_unknown=is_of_mapping or kind == "extra_forbidden")


def _problem(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "value_error":
        return str(context.get("error", "is not valid"))
    if kind == "enum":
        return f"must be {context.get('expected', 'one of the known words')}"
    if kind == "greater_than":
        return f"must be more than {context.get('gt', 0)}"
    return _PROBLEMS.get(kind, "is not valid: docs/configuration.md says what is")


def _unknown(location: tuple[int | str, ...]) -> str:
    known = sorted(_keys_beside(location))
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return "is not a known key: " + (f"did you mean {close[0]}?" if close else f"known here are {', '.join(known)}")


def _keys_beside(location: tuple[int | str, ...]) -> set[str]:
    model: type[BaseModel] = Settings
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        model = next(
            one for one in (annotation, *get_args(annotation)) if isinstance(one, type) and issubclass(one, BaseModel)
        )
    keys = {
        *model.model_fields,
        *(name + FILE_SUFFIX for name, field in model.model_fields.items() if is_secret(field)),
    }
    return keys | OTHER_SECTIONS if model is Settings else keys


def _dotted(location: tuple[Any, ...]) -> str:
    """The key's path; a part that does not look like a key could be a misplaced secret, and is not repeated."""
    return ".".join(str(part) if _PLAIN_KEY.fullmatch(str(part)) else "(not a key)" for part in location)
