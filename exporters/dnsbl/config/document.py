"""The configuration as written: one YAML file, the environment over it, and the files that hold secrets."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from exporters.dnsbl.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ENV_PREFIX: Final = "DUCKWATCH_"
SECRETS: Final = ("key", "token")
"""Keys that can also be given as the name of a file, with `_file` behind them."""

_MAX_BYTES: Final = 1 << 20
_MAX_SECRET_BYTES: Final = 64 << 10
_MAX_NESTING: Final = 16
_MAX_NODES: Final = 500_000
"""Of a document, with every alias written out: aliases of aliases make a few lines as large as one likes."""


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice (PyYAML takes the last), nesting that no setting has, and what grows by its aliases."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = self.nodes = 0
        self.anchored: dict[str, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - PyYAML's own
        event = self.peek_event()  # type: ignore[no-untyped-call]  # left bare
        before, anchor = self.nodes, str(getattr(event, "anchor", None) or "")
        # Nothing is known of an anchor within itself.
        self.nodes += self.anchored.get(anchor, _MAX_NODES) if isinstance(event, yaml.AliasEvent) else 1
        self.depth += 1
        if self.depth > _MAX_NESTING or self.nodes > _MAX_NODES:
            raise yaml.constructor.ConstructorError(problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        if anchor:
            self.anchored[anchor] = self.nodes - before
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if len(set(keys)) < len(keys):
                raise yaml.constructor.ConstructorError(problem="twice", problem_mark=node.start_mark)
        return node


def read_yaml(text: str) -> Any:  # noqa: ANN401 - any document
    """A YAML document. Raises yaml.YAMLError and ValueError, whose texts may quote the document."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except (AttributeError, LookupError, RecursionError) as error:
        # PyYAML's own reading of `!!timestamp x` or `!!int ''` ends in these.
        raise ValueError(type(error).__name__) from None


def read_file(path: Path, faults: list[Fault]) -> dict[Any, Any]:
    """The file's top-level mapping; what is wrong with the file goes to `faults`, without quoting it."""
    text = read_text(path, str(path), faults)
    try:
        document = read_yaml(text or "")
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = "must be valid YAML"
        if getattr(error, "problem", None) == "twice":
            problem = "gives a key twice: join the two"
        elif mark is not None and _holds_tab(text or "", mark):
            problem = "has a tab, which YAML does not take as indentation: write spaces"
        faults.append(Fault(f"{path}{place}", problem))
        return {}
    if document is not None and not isinstance(document, dict):
        faults.append(Fault(str(path), "must be a mapping of sections, like dnsbl: {…}"))
        return {}
    return document or {}


def _holds_tab(text: str, mark: yaml.Mark) -> bool:
    """True when a tab indents the line of the mark, or stands at the mark itself."""
    line = text.splitlines()[mark.line : mark.line + 1]
    return bool(line) and (
        "\t" in line[0][: len(line[0]) - len(line[0].lstrip())] or line[0][mark.column :][:1] == "\t"
    )


def read_text(path: Path, key: str, faults: list[Fault], limit: int = _MAX_BYTES) -> str | None:
    """A small file's text; None when that is a fault, which goes to `faults` under `key`."""
    try:
        with path.open("rb") as file:  # read at most so much, of a pipe too
            content = file.read(limit + 1)
        if len(content) > limit:
            faults.append(Fault(key, f"must be smaller than {limit} bytes"))
            return None
        return _decoded(content)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        faults.append(Fault(key, f"must be UTF-8 text, and line {line} is not: save the file as UTF-8"))
    except (OSError, ValueError) as error:
        faults.append(Fault(key, f"cannot be read ({type(error).__name__}): name a file that this user can read"))
    return None


def _decoded(content: bytes) -> str:
    """UTF-8, or the UTF-16 that Windows writes, told by the byte order mark; the mark is no part of the text."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    return content.decode("utf-8-sig")


def lay_environment(
    document: dict[str, Any], section: str, environ: Mapping[str, str], is_null_a_value: Callable[[list[str]], bool]
) -> None:
    """Set in `document` what `DUCKWATCH_<SECTION>__KEY` variables say. Lists and maps are JSON; `null` unsets a key: its default counts,
    unless `is_null_a_value` says that null is one.
    """
    told = {name: name.removeprefix(ENV_PREFIX).lower().split("__") for name in sorted(environ)}
    # First what is unset: a secret may be unset as a file and set as a value.
    for name in sorted(told, key=lambda name: environ[name] != "null"):
        keys = told[name]
        if not name.startswith(ENV_PREFIX) or len(keys) < 2 or keys[0] != section:
            continue
        if environ[name] == "null" and not is_null_a_value(keys):
            _unset(document, keys)
        else:
            _place(document, keys, _value(environ[name]))


def _unset(document: dict[str, Any], keys: list[str]) -> None:
    inner: Any = document
    for key in keys[:-1]:
        inner = inner.get(key) if isinstance(inner, dict) else None
    if isinstance(inner, dict):
        name = keys[-1].removesuffix("_file")
        inner.pop(name, None)
        inner.pop(f"{name}_file", None)


def _value(text: str) -> Any:  # noqa: ANN401 - any JSON value
    if text == "null":
        return None
    if text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text  # `[::1]:9627` is an address; for what has to be a list, this is the fault
    return text


def _place(document: dict[str, Any], keys: list[str], value: Any) -> None:  # noqa: ANN401 - any YAML value
    for key in keys[:-1]:
        inner = document.get(key)
        if not isinstance(inner, dict):
            inner = document[key] = {}
        document = inner
    last = keys[-1]
    document[last] = value
    # A secret from the environment takes the place of the file's, whichever way either is given.
    document.pop(last.removesuffix("_file") if last.endswith("_file") else f"{last}_file", None)


def read_secrets(value: Any, faults: list[Fault], key: str = "") -> None:  # noqa: ANN401 - any YAML value
    """Replaces each `<secret>_file`, wherever it stands, by `<secret>`: the file's text without the newline at its end."""
    for at, mapping in mappings(value, key):
        for name in SECRETS:
            path = mapping.pop(f"{name}_file", None)
            if path is None:
                continue
            place = f"{at}.{name}_file"
            if mapping.get(name) is not None:
                faults.append(Fault(place, f"must not be set beside {name}"))
            elif not isinstance(path, str) or not path:
                faults.append(Fault(place, "must be the path of a file"))
            elif (text := read_text(Path(path), place, faults, _MAX_SECRET_BYTES)) and text.startswith("\ufeff"):
                faults.append(Fault(place, "must name a file without a byte order mark: save it as UTF-8 without BOM"))
            elif text:
                mapping[name] = text.rstrip("\r\n")
            elif text == "":
                faults.append(Fault(place, "must name a file that holds the secret"))


def mappings(value: Any, key: str = "") -> Iterator[tuple[str, dict[Any, Any]]]:  # noqa: ANN401 - any YAML value
    """Every mapping of a document, outermost first, with its dotted key."""
    if isinstance(value, dict):
        yield key, value
        for name, inner in list(value.items()):
            yield from mappings(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from mappings(inner, f"{key}.{index}")
