"""Generate the alert DuckwatchThresholdsMissing.

thresholds.yml is not loaded, lacks a name, or has an unknown one; or recording/limits.yml is not loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from duckwatch.rules.limits import OVERRIDING, THRESHOLD, WITHOUT_LABELS
from duckwatch.rules.placeholders import GRAFANA, RUNBOOK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckwatch.rules.limits import Rule

NAME: Final = "DuckwatchThresholdsMissing"

_PLAIN: Final = ",".join(f'{label}=""' for label in OVERRIDING)
_SELECTOR: Final = THRESHOLD + '{{\n    name="{name}",' + _PLAIN + "\n  }}"


def missing_rule(names: Sequence[str], without_labels: str) -> Rule:
    """Return the alert for the names that the limits need. The name at fault is in the label `name`.

    `without_labels` is the name of a limit that is recorded wherever its threshold is: without it the file of the
    limits, in the label `file`, is not loaded.
    """
    absent = "\n  or ".join(f"absent({_SELECTOR.format(name=name)})" for name in names)
    # Several matchers, because a pattern cannot be broken over lines.
    unknown = ",\n    ".join(f'name!="{name}"' for name in names)
    return {
        "alert": NAME,
        "expr": f"absent({THRESHOLD})\nor max by (name) (\n  {THRESHOLD}{{\n    {unknown}\n  }}\n)"
        f"\nor (\n  {absent}\n) and on () group({THRESHOLD})"
        f"\nor label_replace(\n  absent({WITHOUT_LABELS}:duckwatch_{without_labels}:limit),"
        f'\n  "file", "recording/limits.yml", "", ""\n)\n  and on () {_SELECTOR.format(name=without_labels)}',
        "for": "5m",
        "labels": {"severity": "critical", "team": "platform", "component": "pipeline"},
        "annotations": {
            "summary": "{{ with $labels.name }}The threshold {{ . }} is missing or unknown"
            "{{ else }}{{ or $labels.file `thresholds.yml` }} is not loaded{{ end }}",
            "description": "Prometheus has {{ with $labels.name }}no line for {{ . }} in thresholds.yml, or a line "
            "that no alert knows{{ else }}not loaded {{ or $labels.file `thresholds.yml` }}{{ end }}. An alert without "
            "its number cannot fire. Load thresholds.yml and recording/limits.yml, keep the line without labels of "
            "each name, and look for a misspelt name.",
            "runbook_url": f"{RUNBOOK}#{NAME.lower()}",
            "dashboard_url": f"{GRAFANA}/d/duckwatch-duckwatch",
        },
    }
