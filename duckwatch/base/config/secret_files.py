"""Secrets in files: `token_file` names a file that holds the secret `token`."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from duckwatch.base.config.document import UNREADABLE, read_bytes
from duckwatch.base.config.fields import FILE_SUFFIX, is_secret, mappings
from duckwatch.base.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

_MAX_BYTES: Final = 64 << 10


def named_secret_files(document: dict[Any, Any], model: type[BaseModel]) -> list[Path]:
    """Return the secret files that the document names, whether they can be read or not."""
    named = (mapping.get(name + FILE_SUFFIX) for _, mapping, name in _secrets(document, model))
    return [Path(path) for path in named if isinstance(path, str) and _is_path(path)]


def read_secret_files(document: dict[Any, Any], model: type[BaseModel], faults: list[Fault]) -> None:
    """Replace each `<secret>_file` by `<secret>`: the file's text without trailing line ends."""
    for key, mapping, name in _secrets(document, model):
        path = mapping.pop(name + FILE_SUFFIX, None)
        if path is None:
            continue
        problem = f"must not be set beside {name}"
        if mapping.get(name) is None:
            mapping[name], problem = _read(path)
        if problem:
            mapping.pop(name)
            faults.append(Fault(key + FILE_SUFFIX, problem))


def _secrets(document: dict[Any, Any], model: type[BaseModel]) -> Iterator[tuple[str, dict[Any, Any], str]]:
    """Yield every key that may hold a secret: its dotted path, its mapping, its name in the mapping."""
    for prefix, mapping, inner in mappings(document, model):
        yield from (
            (f"{prefix}{name}", mapping, name) for name, field in inner.model_fields.items() if is_secret(field)
        )


def _is_path(text: str) -> bool:
    return text != "" and "\0" not in text


def _read(path: object) -> tuple[str, str]:
    """Return the secret in a file, and the file's fault; one of the two is empty."""
    if not isinstance(path, str) or not _is_path(path):
        return "", "must be the path of a file"
    try:
        content = read_bytes(Path(path), _MAX_BYTES + 1)
        if content.startswith(codecs.BOM_UTF8):
            return "", "must name a file without a byte order mark: save it as UTF-8 without BOM"
        secret = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        return "", "must name a file of UTF-8 text"
    except (OSError, ValueError) as error:
        return "", UNREADABLE.format(reason=type(error).__name__)
    if not secret or len(content) > _MAX_BYTES:
        return "", "must name a file that holds the secret, at most 64 KiB"
    return secret, ""
