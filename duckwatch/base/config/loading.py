"""Load settings from file, environment and secret files. All faults are reported at once, each with its key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import ValidationError

from duckwatch.base.config.document import invalid_texts, read_file, read_text
from duckwatch.base.config.environment import lay_environment
from duckwatch.base.config.faults import dotted, faults_of
from duckwatch.base.config.fields import FILE_SUFFIX, drop_nulls, mappings, members
from duckwatch.base.config.secret_files import named_secret_files, read_secret_files
from duckwatch.base.config.values import SECTIONS, SettingsDocument
from duckwatch.base.errors import ConfigError, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pydantic import BaseModel

S = TypeVar("S", bound=SettingsDocument)


@dataclass(frozen=True)
class LoadedSettings(Generic[S]):
    """Settings, and the files that their secrets were read from."""

    settings: S
    secret_files: tuple[Path, ...]


def load(model: type[S], path: Path | None, environ: Mapping[str, str]) -> LoadedSettings[S]:
    """Return the settings of `path` (None: defaults), overridden by `environ`. Raise ConfigError with every fault."""
    faults: list[Fault] = []
    document = read_document(model, path, environ, faults)
    faults += _mistaken(document, model)
    secret_files = named_secret_files(document, model)
    read_secret_files(document, model, faults)
    drop_nulls(document, model)
    settings = None
    try:
        settings = model(**document)
    except ValidationError as error:
        told = {fault.key.removesuffix(FILE_SUFFIX) for fault in faults}
        faults += [fault for fault in faults_of(error, model) if fault.key not in told]
    if settings is None or faults:
        raise ConfigError(list({fault.key: fault for fault in reversed(faults)}.values())[::-1])
    return LoadedSettings(settings, tuple(secret_files))


def _mistaken(document: dict[Any, Any], model: type[BaseModel]) -> Iterator[Fault]:
    """Yield the faults that pydantic would pass: a number that is `yes`, which it takes as 1, and text that no file,
    socket or database takes.
    """
    for prefix, mapping, inner in mappings(document, model):
        for name, field in inner.model_fields.items():
            if isinstance(mapping.get(name), bool) and int in members(field.annotation, int):
                yield Fault(f"{prefix}{name}", "must be a whole number")
    for key in invalid_texts(document):
        yield Fault(dotted(tuple(key.split("."))), "must be text in UTF-8")


def read_document(
    model: type[SettingsDocument], path: Path | None, environ: Mapping[str, str], faults: list[Fault]
) -> dict[Any, Any]:
    """Return the sections of `model` as written, overridden by the environment, with secret files not read yet.

    Sections of other programs are left out.
    """
    document = read_file(path, next(iter(model.model_fields)), faults) if path is not None else {}
    for key in [key for key in document if not isinstance(key, str) or key in SECTIONS - set(model.model_fields)]:
        del document[key]
        if not isinstance(key, str):
            faults.append(Fault(dotted((key,)), "is not a section"))
    lay_environment(document, model, environ, faults)
    return document


class EmptiedFile:
    """Refuses a configuration file that has become empty, as a full disk or an editor leaves it: it would mean every
    default, without credentials. A file that was empty from the start is as its operator wants it.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._was_empty = self._is_empty()

    def refuse(self) -> None:
        """Raise ConfigError if the file was not empty when this object was made, and is now."""
        if not self._was_empty and self._is_empty():
            raise ConfigError([Fault(str(self._path), "is empty now: write it again, or restart to run with defaults")])

    def _is_empty(self) -> bool:
        text = None if self._path is None else read_text(self._path, "", [])
        return text is not None and not text.strip()
