"""Read files as text and YAML. Faults name the place and never quote the text, which may hold a secret."""

from __future__ import annotations

import codecs
import stat
from typing import TYPE_CHECKING, Any, Final

import yaml

from duckwatch.base.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNREADABLE: Final = "cannot be read ({reason}): name a file that this user can read"
MARKED: Final = "begins with a byte order mark (BOM), which is passed over: save it as UTF-8 without BOM"

_NOT_UTF8: Final = "must be UTF-8 text, and line {line} is not: save "
_MAX_BYTES: Final = 1 << 20
_MAX_NESTING: Final = 16
_pipes: dict[tuple[int, int], bytes] = {}
"""What was read from each pipe, by its device and inode: `--config <(…)` can be read only once."""

_MAX_NODES: Final = 500_000
"""Most nodes of a document with all aliases expanded: nested aliases can make a few lines arbitrarily large."""


class _DuplicateKeyError(yaml.constructor.ConstructorError):
    """A mapping has a key twice. YAML forbids it, but PyYAML takes the last."""


class _Loader(yaml.SafeLoader):
    """A SafeLoader that refuses duplicate keys, deep nesting, and documents that grow large by their aliases."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = self.nodes = 0
        self.anchored: dict[str, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - PyYAML's own
        event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML does not type it
        before, anchor = self.nodes, str(getattr(event, "anchor", None) or "")
        # An alias inside its own anchor has no known size: count it as too large.
        self.nodes += self.anchored.get(anchor, _MAX_NODES) if isinstance(event, yaml.AliasEvent) else 1
        self.depth += 1
        if self.depth > _MAX_NESTING or self.nodes > _MAX_NODES:
            raise yaml.constructor.ConstructorError(problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        if anchor:
            self.anchored[anchor] = self.nodes - before
        if isinstance(node, yaml.MappingNode):
            _refuse_twice(node)
        return node


def _construct_number(loader: _Loader, node: yaml.ScalarNode) -> object:
    """Return a number that would be octal (010) or of base 60 (1:30) in YAML 1.1 as the text that the operator wrote.
    YAML 1.2 has neither.
    """
    text = node.value.lstrip("+-")
    if ":" in text or (text[:1] == "0" and text[1:].replace("_", "").isdigit()):
        return node.value
    return loader.construct_yaml_int(node) if node.tag.endswith(":int") else loader.construct_yaml_float(node)


for _number in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_number}", _construct_number)


def _refuse_twice(node: yaml.MappingNode) -> None:
    seen = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value in seen:
            raise _DuplicateKeyError(problem_mark=key.start_mark)
        seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)


def read_yaml(text: str) -> Any:  # noqa: ANN401 - any document
    """Return a YAML document. Raise yaml.YAMLError or ValueError, whose texts may quote the document."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except (AttributeError, LookupError, RecursionError) as error:
        # PyYAML raises these for values like `!!timestamp x` or `!!int ''`.
        raise ValueError(type(error).__name__) from None


def read_file(path: Path, section: str, faults: list[Fault]) -> dict[Any, Any]:
    """Return the file's top-level mapping. Append its faults to `faults`; `section` is the example in their texts."""
    text = read_text(path, str(path), faults)
    try:
        document = read_yaml(text or "")
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = "must be valid YAML"
        if isinstance(error, _DuplicateKeyError):
            problem = "gives a key twice: join the two"
        elif mark is not None and _holds_tab(text or "", mark):
            problem = "has a tab, which YAML does not take as indentation: write spaces"
        faults.append(Fault(f"{path}{place}", problem))
        return {}
    if document is not None and not isinstance(document, dict):
        faults.append(Fault(str(path), f"must be a mapping of sections, like {section}: {{…}}"))
        return {}
    return document or {}


def read_text(
    path: Path, key: str, faults: list[Fault], limit: int = _MAX_BYTES, *, takes_utf16: bool = False
) -> str | None:
    """Return a small file's text without its byte order mark. On a fault append it to `faults` and return None.

    The text is UTF-8. With `takes_utf16` it may be UTF-16 with a byte order mark too, as Windows writes it.
    """
    try:
        content = read_bytes(path, limit + 1)
        if len(content) > limit:
            faults.append(Fault(key, f"must be smaller than {limit} bytes"))
            return None
        if takes_utf16 and content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return content.decode("utf-16")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        how = "the file as UTF-8" if takes_utf16 else "it as UTF-8 (UTF-16 and Windows code pages are not read)"
        line = error.object[: error.start].count(b"\n") + 1
        faults.append(Fault(key, f"{_NOT_UTF8.format(line=line)}{how}"))
    except (OSError, ValueError) as error:
        faults.append(Fault(key, UNREADABLE.format(reason=type(error).__name__)))
    return None


def invalid_texts(value: object, key: str = "") -> Iterator[str]:
    """Yield the dotted key of each text that UTF-8 cannot hold: half of a surrogate pair, which YAML and JSON can
    write, or bytes of the environment that are not UTF-8.
    """
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            yield key
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from invalid_texts(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from invalid_texts(inner, f"{key}.{index}")


def begins_with_mark(path: Path) -> bool:
    """Return True when the file begins with a UTF-8 byte order mark, which some editors write without showing it."""
    try:
        return read_bytes(path, _MAX_BYTES).startswith(codecs.BOM_UTF8)
    except OSError:
        return False


def read_bytes(path: Path, most: int) -> bytes:
    """Return at most `most` bytes of a file, which may be endless. Of a pipe return what the first read returned: a
    second read would find nothing, or wait for a writer for ever. Raise OSError or ValueError.
    """
    status = path.stat()
    key = (status.st_dev, status.st_ino)
    if stat.S_ISFIFO(status.st_mode) and key in _pipes:
        return _pipes[key]
    with path.open("rb") as file:
        content = file.read(most)
    if stat.S_ISFIFO(status.st_mode):
        _pipes[key] = content
    return content


def _holds_tab(text: str, mark: yaml.Mark) -> bool:
    """Return True when a tab indents the marked line, or is at the mark itself."""
    line = text.splitlines()[mark.line : mark.line + 1]
    return bool(line) and (
        "\t" in line[0][: len(line[0]) - len(line[0].lstrip())] or line[0][mark.column :][:1] == "\t"
    )
