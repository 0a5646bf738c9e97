"""Reads a plugin's heartbeat. It is never refused: a bad field gets its default."""

from __future__ import annotations

import math

from collector.events.border.json_values import INT64_MAX, YEAR_2200_MS, plain_text
from collector.events.model.event import Heartbeat

PROCESS_CHARACTERS = 64
VERSION_CHARACTERS = 32
CONTEXT_CHARACTERS = 32
MOST_CONTEXTS = 16
UNKNOWN = "none"
"""Used for a name that the heartbeat lacks. It becomes the value of a label (docs/metrics.md)."""


def heartbeat_of(plugin: object, *, cluster: str, host: str | None) -> Heartbeat | None:
    """Return the heartbeat, or None if the body's `plugin` is not an object. Never raises."""
    if type(plugin) is not dict:
        return None
    oldest = _whole(plugin.get("oldest_unsent"), YEAR_2200_MS)
    return Heartbeat(
        cluster=cluster,
        host=host or UNKNOWN,
        process=_name(plugin.get("process"), PROCESS_CHARACTERS),
        version=_name(plugin.get("version"), VERSION_CHARACTERS),
        spool_bytes=_whole(plugin.get("spool_bytes")) or 0,
        oldest_unsent=oldest,
        dropped=_whole(plugin.get("dropped")) or 0,
        contexts=_names(plugin.get("contexts")),
    )


def _names(value: object) -> tuple[str, ...]:
    """Return the ZoneMTA contexts that have loaded the plugin, sorted, each once. Older plugins do not send them."""
    if type(value) is not list:
        return ()
    names = {_name(one, CONTEXT_CHARACTERS) for one in value[:MOST_CONTEXTS]}
    return tuple(sorted(names - {UNKNOWN}))


def _name(value: object, characters: int) -> str:
    if type(value) is not str:
        return UNKNOWN
    text = value[:characters]
    if text.isprintable():
        return text or UNKNOWN
    return "".join(character for character in plain_text(text) if character.isprintable()) or UNKNOWN


def _whole(value: object, largest: int = INT64_MAX) -> int | None:
    """Return a finite number rounded down and limited to 0 … `largest`; None for any other value."""
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return min(max(math.floor(value), 0), largest)
    return None
