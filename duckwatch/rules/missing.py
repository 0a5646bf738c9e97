"""Generate the alert DuckwatchThresholdsMissing.

thresholds.yml is not loaded, lacks a name, has an unknown one, or has a line that no alert uses, or two for one place;
or recording/limits.yml is not loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from duckwatch.rules.limits import OVERRIDING, PLAIN_LINE, THRESHOLD, WITHOUT_LABELS, labels_of
from duckwatch.rules.placeholders import GRAFANA, RUNBOOK

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from duckwatch.rules.limits import Rule

NAME: Final = "DuckwatchThresholdsMissing"

_PLAIN: Final = ",".join(f'{label}=""' for label in OVERRIDING)
_LABELS: Final = ", ".join(("name", *OVERRIDING))
_TWICE: Final = f'label_replace(\n  count by ({_LABELS}) ({THRESHOLD}) > 1,\n  "line", "twice", "", ""\n)'
"""The lines of which there are several for the same place, perhaps by a label that no limit knows."""

_WHEN_UNUSED: Final = "{{ else if or " + " ".join(f"$labels.{label}" for label in OVERRIDING) + " }}"

_SUMMARY: Final = (
    "{{ if $labels.line }}The threshold {{ $labels.name }} has two lines for the same place"
    f"{_WHEN_UNUSED}A line of the threshold {{{{ $labels.name }}}} is not used"
    "{{ else }}{{ with $labels.name }}The threshold {{ . }} is missing or unknown"
    "{{ else }}{{ or $labels.file `thresholds.yml` }} is not loaded{{ end }}{{ end }}"
)
_DESCRIPTION: Final = (
    "{{ if $labels.line }}Several lines of thresholds.yml give {{ $labels.name }} a number for one mail_cluster, "
    "zone and provider, and one of them counts. Remove the others, or correct a label that is none of these three."
    f"{_WHEN_UNUSED}No alert that compares with {{{{ $labels.name }}}} uses the line of thresholds.yml with these "
    "labels, so the line without labels holds. Remove the line, or the label that does not belong there: "
    "recording/limits.yml has the labels by which the number may differ."
    "{{ else }}Prometheus has {{ with $labels.name }}no line for {{ . }} in thresholds.yml, or a line that no alert "
    "knows{{ else }}not loaded {{ or $labels.file `thresholds.yml` }}{{ end }}. An alert without its number cannot "
    "fire. Load thresholds.yml and recording/limits.yml, keep the line without labels of each name, and look for a "
    "misspelt name.{{ end }}"
)


def missing_rule(used: Sequence[tuple[str, str]]) -> Rule:
    """Return the alert for the pairs of level and name that the limits need.

    The name at fault is in the label `name`, beside the labels of a line that is not used, and `line` where there are
    several for one place; a file that is not loaded is in the label `file`.
    """
    names = sorted({name for _, name in used})
    absent = "\n  or ".join(f'absent({PLAIN_LINE}{{name="{name}"}})' for name in names)
    # This limit is recorded wherever its threshold is.
    recorded = next(name for level, name in used if level == WITHOUT_LABELS)
    return {
        "alert": NAME,
        "expr": f"absent({THRESHOLD})\nor max by (name) (\n  {_lines_but(names)}\n)"
        f"\nor (\n  {absent}\n) and on () group({PLAIN_LINE})"
        f"\nor {_unused(used)}"
        f"\nor {_TWICE}"
        f"\nor label_replace(\n  absent({WITHOUT_LABELS}:duckwatch_{recorded}:limit),"
        f'\n  "file", "recording/limits.yml", "", ""\n)\n  and on () {THRESHOLD}{{name="{recorded}",{_PLAIN}}}',
        "for": "5m",
        "labels": {"severity": "critical", "team": "platform", "component": "pipeline"},
        "annotations": {
            "summary": _SUMMARY,
            "description": _DESCRIPTION,
            "runbook_url": f"{RUNBOOK}#{NAME.lower()}",
            "dashboard_url": f"{GRAFANA}/d/duckwatch-duckwatch",
        },
    }


def _unused(used: Sequence[tuple[str, str]]) -> str:
    """Return the lines with a label that no level of their name has. A name without a plain line is told otherwise."""
    lines = "\n  or ".join(
        _lines_but(sorted({name for level, name in used if label in labels_of(level)}), f'{label}!=""')
        for label in OVERRIDING
    )
    return f"max by (name, {', '.join(OVERRIDING)}) (\n  {lines}\n)\n  and on (name) {THRESHOLD}{{{_PLAIN}}}"


def _lines_but(names: Collection[str], *matchers: str) -> str:
    """Return the selector of all lines but those of the names.

    It has a matcher for each name, because a pattern cannot be broken over lines.
    """
    told = ",\n    ".join((*matchers, *(f'name!="{name}"' for name in names)))
    return f"{THRESHOLD}{{\n    {told}\n  }}"
