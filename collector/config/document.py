"""The configuration as written: one YAML file, the environment over it, and the files that hold secrets."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Final, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, SecretStr

from collector.config.model import OTHER_SECTIONS
from collector.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo

ENV_PREFIX: Final = "DUCKWATCH_"
FILE_SUFFIX: Final = "_file"

NOT_UTF8: Final = "must be UTF-8 text: save it as UTF-8 (UTF-16 and Windows code pages are not read)"

_MAX_SECRET_BYTES: Final = 64 << 10
_MAX_NESTING: Final = 16

T = TypeVar("T")


class _DuplicateKeyError(yaml.constructor.ConstructorError):
    """A mapping names one key twice: YAML forbids it, PyYAML takes the last."""


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice and nesting that no setting has."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - PyYAML's own
        self.depth += 1
        if self.depth > _MAX_NESTING:
            raise yaml.constructor.ConstructorError(None, None, None, self.get_mark())
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's own
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue
            if key_node.value in seen:
                raise _DuplicateKeyError(None, None, None, key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def read_file(path: Path, faults: list[Fault]) -> dict[Any, Any]:
    """Returns the file's top-level mapping; what is wrong with the file goes to `faults`, without quoting it."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        faults.append(Fault(str(path), NOT_UTF8))
        return {}
    except OSError as error:
        faults.append(Fault(str(path), f"cannot be read ({type(error).__name__}): name a file that this user can read"))
        return {}
    try:
        document = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, AttributeError, LookupError) as error:
        # ValueError: PyYAML takes 2024-13-45 for a date; its reading of `!!timestamp x` or `!!int ''` ends in the others.
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        # PyYAML's message quotes the text, which may be a secret.
        problem = "must be valid YAML"
        if isinstance(error, _DuplicateKeyError):
            problem = "gives a key twice: join the two"
        elif mark is not None and _holds_tab(text, mark):
            problem = "has a tab, which YAML does not take as indentation: write spaces"
        faults.append(Fault(f"{path}{place}", problem))
        return {}
    if document is None:
        return {}
    if not isinstance(document, dict):
        faults.append(Fault(str(path), "must be a mapping of sections, like collector: {…}"))
        return {}
    return document


def _holds_tab(text: str, mark: yaml.Mark) -> bool:
    """True when a tab indents the line of the mark, or stands at the mark itself."""
    line = text.splitlines()[mark.line : mark.line + 1]
    return bool(line) and (
        "\t" in line[0][: len(line[0]) - len(line[0].lstrip())] or line[0][mark.column :][:1] == "\t"
    )


def begins_with_mark(path: Path) -> bool:
    """Return True when the file begins with a byte order mark in UTF-8, which some editors write and no one sees."""
    try:
        with path.open("rb") as file:
            return file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
    except OSError:
        return False


def lay_environment(
    document: dict[str, Any], model: type[BaseModel], environ: Mapping[str, str], faults: list[Fault]
) -> None:
    """Set in `document` what `DUCKWATCH_SECTION__KEY` variables say. Lists and maps are JSON; `null` unsets a key."""
    told = {name: name.removeprefix(ENV_PREFIX).lower().split("__") for name in sorted(environ)}
    told = {
        name: keys
        for name, keys in told.items()
        if name.startswith(ENV_PREFIX) and len(keys) > 1 and keys[0] not in OTHER_SECTIONS
    }
    # First what is unset: a secret may be unset as a file and set as a value.
    for name in sorted(told, key=lambda name: environ[name] != "null"):
        keys = told[name]
        value: Any = environ[name]
        if value == "null":
            _unset(document, model, keys)
            continue
        if _is_structured(_annotation_at(model, keys)):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                faults.append(Fault(".".join(keys), f"must be JSON (a list or a map) in {name}"))
                continue
        _place(document, keys, value)


def _unset(document: dict[str, Any], model: type[BaseModel], keys: list[str]) -> None:
    """Take a key out, so that its default counts. An unknown key stays, as the fault that it is."""
    field = _field_at(model, keys)
    if field is None and _field_at(model, [*keys[:-1], keys[-1].removesuffix(FILE_SUFFIX)]) is None:
        _place(document, keys, None)
        return
    if field is not None and _is_optional(field) and field.default is not None:
        _place(document, keys, None)  # null is a value of its own here
        return
    inner: Any = document
    for key in keys[:-1]:
        inner = inner.get(key) if isinstance(inner, dict) else None
    if isinstance(inner, dict):
        secret = keys[-1].removesuffix(FILE_SUFFIX)
        inner.pop(secret, None)
        inner.pop(secret + FILE_SUFFIX, None)


def _place(document: dict[str, Any], keys: list[str], value: Any) -> None:  # noqa: ANN401 - any YAML value
    for key in keys[:-1]:
        inner = document.get(key)
        if not isinstance(inner, dict):
            inner = document[key] = {}
        document = inner
    last = keys[-1]
    document[last] = value
    # A secret from the environment takes the place of the file's, whichever way either is given.
    document.pop(last.removesuffix(FILE_SUFFIX) if last.endswith(FILE_SUFFIX) else last + FILE_SUFFIX, None)


def read_secret_files(
    document: dict[str, Any], model: type[BaseModel], faults: list[Fault], prefix: str = ""
) -> list[Path]:
    """Replaces each `<secret>_file` by `<secret>`: the file's text without the newline at its end. Returns the files.

    A section written as `null` counts as not written.
    """
    files: list[Path] = []
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        if is_secret(field):
            path = document.get(name + FILE_SUFFIX)
            _read_secret(document, name, key, faults)
            if isinstance(path, str) and document.get(name) is not None:
                files.append(Path(path))
        value = document.get(name)
        for inner in _members(field, BaseModel):
            if value is None and not _is_optional(field):
                document.pop(name, None)
            for at, part in _parts(value, key):
                files += read_secret_files(part, inner, faults, f"{at}.")
    return files


def is_secret(field: FieldInfo) -> bool:
    """True for a key that can also be given as `<key>_file`."""
    return bool(_members(field, SecretStr))


def _parts(value: object, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield key, value
    if isinstance(value, list):
        yield from ((f"{key}.{index}", part) for index, part in enumerate(value) if isinstance(part, dict))


def _read_secret(document: dict[str, Any], name: str, key: str, faults: list[Fault]) -> None:
    path = document.pop(name + FILE_SUFFIX, None)
    if path is None:
        return
    fault_key = key + FILE_SUFFIX
    if document.get(name) is not None:
        faults.append(Fault(fault_key, f"must not be set beside {name}"))
        return
    if not isinstance(path, str) or not path or "\0" in path:
        faults.append(Fault(fault_key, "must be the path of a file"))
        return
    try:
        document[name] = _secret_in(path)
    except OSError as error:
        faults.append(Fault(fault_key, f"cannot be read ({type(error).__name__}): name a file that this user can read"))
    except UnicodeDecodeError:
        faults.append(Fault(fault_key, "must name a file of UTF-8 text"))
    except ValueError as error:
        faults.append(Fault(fault_key, str(error)))


def _secret_in(path: str) -> str:
    """The secret that a file holds. Raises OSError, UnicodeDecodeError, and ValueError, which says what is wrong with it."""
    with open(path, "rb") as file:  # noqa: PTH123 - read at most so much, of a pipe too
        content = file.read(_MAX_SECRET_BYTES + 1)
    if content.startswith(codecs.BOM_UTF8):
        raise ValueError("must name a file without a byte order mark: save it as UTF-8 without BOM")
    secret = content.decode().rstrip("\r\n")
    if not secret or len(content) > _MAX_SECRET_BYTES:
        raise ValueError("must name a file that holds the secret, at most 64 KiB")
    return secret


def _field_at(model: type[BaseModel], keys: list[str]) -> FieldInfo | None:
    """The field of a dotted key; None where there is none, and within lists."""
    field = None
    for position, key in enumerate(keys):
        field = model.model_fields.get(key)
        if field is None:
            return None
        if position < len(keys) - 1:
            inner = _members(field, BaseModel)
            if not inner:
                return None
            model = inner[0]
    return field


def _annotation_at(model: type[BaseModel], keys: list[str]) -> object:
    field = _field_at(model, keys)
    return None if field is None else field.annotation


def _is_structured(annotation: object) -> bool:
    return any(
        (get_origin(part) or part) in (dict, list, tuple) or (isinstance(part, type) and issubclass(part, BaseModel))
        for part in _alternatives(annotation)
    )


def _is_optional(field: FieldInfo) -> bool:
    return type(None) in _alternatives(field.annotation)


def _alternatives(annotation: object) -> tuple[object, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _members(field: FieldInfo, kind: type[T]) -> list[type[T]]:
    """The types of `kind` that the field holds: itself, one of its alternatives, or its items."""
    return list(_search(field.annotation, kind))


def _search(annotation: object, kind: type[Any]) -> Iterator[type[Any]]:
    if isinstance(annotation, type) and not get_origin(annotation) and issubclass(annotation, kind):
        yield annotation
    for part in get_args(annotation):
        yield from _search(part, kind)
