"""Turn pydantic's errors into faults: the dotted key, and what would be right."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from duckwatch.base.config.fields import FILE_SUFFIX, is_secret, members
from duckwatch.base.config.values import SECTIONS
from duckwatch.base.errors import Fault

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_KEY: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}|[0-9A-Fa-f.:]{2,45}/[0-9]{1,3}", re.ASCII)
"""A text that looks like a configuration key: a word, an address, a range of addresses."""

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
    "list_type": "must be a list",
    "finite_number": "must be a whole number",
    "invalid_key": "is not a known key: keys are text",
    "too_short": "must hold at least one",
    "string_too_long": "must be shorter",
}
"""pydantic's error type -> text of the fault."""


def faults_of(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """Return one fault for each key that pydantic refuses."""
    details = error.errors(include_url=False, include_context=True, include_input=False)
    found = {fault.key: fault for fault in (_fault(detail, model) for detail in details)}
    # Leave out a list that is too short only because of the faults inside it.
    parents = {key.rpartition(".")[0] for key in found}
    return [fault for key, fault in found.items() if key not in parents]


def dotted(location: tuple[Any, ...]) -> str:
    """Return the dotted path of a key. A part that does not look like a key is hidden: it may be a misplaced secret."""
    return ".".join(str(part) if _KEY.fullmatch(str(part)) else "(not a key)" for part in location)


def _fault(detail: ErrorDetails, model: type[BaseModel]) -> Fault:
    location, kind = detail["loc"], detail["type"]
    # pydantic ends the location with "[key]" if the key of a mapping is wrong, not its value.
    is_of_mapping = bool(location) and location[-1] == "[key]"
    if is_of_mapping:
        location = location[:-1]
    problem = _unknown(location, model) if kind == "extra_forbidden" else _problem(detail)
    return Fault(dotted(location), problem, is_unknown=is_of_mapping or kind == "extra_forbidden")


def _problem(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    match kind:
        case "value_error":
            return str(context.get("error", "is not valid"))
        case "enum" | "literal_error":
            return f"must be {context.get('expected', 'one of the known words')}"
        case "greater_than":
            return f"must be more than {context.get('gt', 0)}"
        case "less_than_equal":
            return f"must be at most {context.get('le')}"
        case _:
            return _PROBLEMS.get(kind, "is not valid: docs/configuration.md says what is")


def _unknown(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    known = sorted(_keys_beside(location, model))
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return "is not a known key: " + (f"did you mean {close[0]}?" if close else f"known here are {', '.join(known)}")


def _keys_beside(location: tuple[int | str, ...], model: type[BaseModel]) -> set[str]:
    if len(location) == 1:
        return {*model.model_fields, *SECTIONS}
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        inner = members(field.annotation, BaseModel) if field is not None else []
        model = inner[0] if inner else model
    secrets = {name + FILE_SUFFIX for name, field in model.model_fields.items() if is_secret(field)}
    return {*model.model_fields, *secrets}
