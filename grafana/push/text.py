"""Texts of a Grafana in our output: they may hold line ends or control characters, which must not reach a terminal."""

from __future__ import annotations

LONGEST = 200


def shown(text: str, longest: int = LONGEST) -> str:
    """Return the text on one line, with escapes for what cannot be printed, cut to `longest` characters."""
    cut = text[:longest] + ("…" if len(text) > longest else "")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in cut)


def called(text: str) -> str:
    """Return a name in quotation marks."""
    return f"“{shown(text)}”"
