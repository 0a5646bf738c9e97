"""Write examples/duckwatch.yml: each key with its default from the models and its text from docs/configuration.md."""

from __future__ import annotations

import json
import re
import textwrap
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, SecretStr

from collector.config.model import Settings as CollectorSettings
from duckwatch.base.config.units import format_duration, format_size, parse_size
from exporters.dnsbl.config.model import Settings as DnsblSettings
from grafana.config import DashboardDocument

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo

ROOT: Final = Path(__file__).parents[1]
EXAMPLE: Final = ROOT / "examples" / "duckwatch.yml"
WIDTH: Final = 100
_ENTRY_BEGIN: Final = re.compile(r"^- `((?:collector|dnsbl|grafana)\.[^`]+)`", re.MULTILINE)
_ENTRY: Final = re.compile(
    r"^- `((?:collector|dnsbl|grafana)\.[^`]+)` \((secret, )?(?:default (`[^`]+`)|required)\):\n((?:  .+\n)+)",
    re.MULTILINE,
)

HEAD: Final = """\
# The configuration of duckwatch: every key with its default. Made by `make generate`: do not edit it in the repository.
# A file of your own needs only the keys that differ.
# docs/configuration.md says how durations, sizes, secrets and connection strings are written.
# A secret may also be the name of a file that holds it, under the same key with _file behind it: dsn_file, token_file.
# "# " begins a text. "#" without a space begins the keys of a list or a section that is not there by default.
"""


def build() -> str:
    """Return the text of the file, the same each time."""
    texts = descriptions((ROOT / "docs" / "configuration.md").read_text(encoding="utf-8"))
    lines = [HEAD.rstrip("\n")]
    for settings in (CollectorSettings, DnsblSettings, DashboardDocument):
        for name, field in settings.model_fields.items():
            lines += ["", f"{name}:", *section_lines(model_in(field.annotation), name, "  ", texts)]
    return "\n".join(lines) + "\n"


class Entry(NamedTuple):
    """What docs/configuration.md says of one key."""

    key: str
    is_secret: bool
    default: str
    """As it is written there: `required`, or the value in backticks."""
    text: str


def entries(page: str) -> list[Entry]:
    """Return the entry of every key, in the order of docs/configuration.md.

    Raise ValueError if an entry is not "- `KEY` (default `VALUE`):" with its sentences indented below.
    """
    found = [
        Entry(key, bool(secret), default or "required", " ".join(text.split()))
        for key, secret, default, text in _ENTRY.findall(page)
    ]
    begun = _ENTRY_BEGIN.findall(page)
    if [one.key for one in found] != begun:
        raise ValueError(f"entries in another form: {set(begun) - {one.key for one in found}}")
    return found


def descriptions(page: str) -> Mapping[str, str]:
    """Return the text of every key, from the lists of docs/configuration.md, as plain text."""
    return {
        one.key: ("Secret. " if one.is_secret else "")
        + re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", one.text).replace("`", "")
        for one in entries(page)
    }


def section_lines(model: type[BaseModel] | None, key: str, indent: str, texts: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of a section: for each key its text, and the key with its default."""
    assert model is not None
    for name, field in model.model_fields.items():
        inner, path = model_in(field.annotation), f"{key}.{name}"
        if inner is field.annotation:
            yield f"{indent}{name}:"
            yield from section_lines(inner, path, f"{indent}  ", texts)
            continue
        if path in texts:
            yield from textwrap.wrap(texts[path], WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        yield f"{indent}{name}: {written(field)}"
        if inner is not None:
            yield from (indent + line for line in inner_lines(inner, name, field, path, texts))


def inner_lines(
    inner: type[BaseModel], name: str, field: FieldInfo, path: str, texts: Mapping[str, str]
) -> Iterator[str]:
    """Yield as comments the keys of a section, a list's items or a map's values that does not exist by default."""
    place = container(field.annotation)
    below = path + {"list": "[]", "map": ".CODE", None: ""}[place]
    if not any(key.startswith(f"{below}.") for key in texts):  # like `more_lists`, whose keys are those of `lists`
        return
    yield f"#{name}:"
    if place is not None:
        yield {"list": "#  -", "map": "#  CODE:"}[place]
    margin = "#  " if place is None else "#    "
    for line in section_lines(inner, below, "", texts):
        yield margin + line


def model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401  # any annotation
    """Return the section's model in an annotation, at any depth, None if there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := model_in(one))), None)


def container(annotation: Any) -> str | None:  # noqa: ANN401  # any annotation
    """Return `list` or `map` if an annotation holds several sections, at any depth, else None."""
    held = {tuple: "list", dict: "map"}.get(get_origin(annotation))
    if held is not None:
        return held
    return next((found for one in get_args(annotation) if (found := container(one))), None)


def written(field: FieldInfo) -> str:
    """Return a field's default in the form of the configuration file."""
    if field.is_required():
        return "…  # required"
    is_size = any(isinstance(one, BeforeValidator) and one.func is parse_size for one in field.metadata)
    default = field.get_default(call_default_factory=True)
    return format_size(default) if is_size else value_text(default)


def value_text(value: Any) -> str:  # noqa: ANN401  # any default
    """Return a value in YAML's flow style."""
    match value:
        case SecretStr():
            text = value.get_secret_value()
        case timedelta():
            text = format_duration(value)
        case Enum():
            text = value.value
        case tuple() if not hasattr(value, "host"):
            text = json.dumps([str(one) for one in value])
        case dict() | bool() | None | "":
            text = json.dumps(value)
        case _:
            text = str(value)
    return text


if __name__ == "__main__":
    EXAMPLE.write_text(build(), encoding="utf-8")
