"""Turns grafanalib's JSON into a form that Grafana 10.1 to 13 read alike, and that has the same bytes at every build.

grafanalib 0.7.1 writes the classic schema of Grafana 6 (`schemaVersion` 12).
It has keys that Grafana dropped, nulls where newer schemas want the key absent, and panels without `overrides`.
Each set below lists keys to remove, and says why they can be removed.
"""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]

SCHEMA_VERSION = 39
"""Grafana 10.1 (whose own version is 38) reads 39 without migrations, and 11 to 13 migrate it.
Some of them refuse version 12, which grafanalib writes.
"""

DASHBOARD_NOISE = frozenset({"__inputs", "rows", "hideControls", "sharedCrosshair", "style", "gnetId", "id"})
"""Keys that Grafana dropped in version 7, and `id`, which the server assigns."""

PANEL_NOISE = frozenset(
    {"editable", "error", "span", "minSpan", "height", "color", "columns", "fontSize", "mappings", "hideTimeOverride"}
)
"""Keys of the layout before the grid, and of tables before `fieldConfig`."""

SQL_TARGET_NOISE = frozenset(
    {"expr", "query", "target", "metric", "step", "interval", "intervalFactor", "legendFormat", "instant", "hide"}
)
PROMETHEUS_TARGET_NOISE = frozenset({"query", "target", "metric", "step", "interval", "intervalFactor", "hide"})
"""Keys of other data sources, and `step`, which would fix the resolution."""

UNQUERIED = frozenset({"text", "alertlist"})
"""The kinds of panels without data: they have no targets and an empty `fieldConfig`."""

BUILT_IN_ANNOTATION: Json = {
    "builtIn": 1,
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
    "name": "Annotations & Alerts",
    "type": "dashboard",
}
"""The built-in annotation. Grafana adds it to a dashboard that lacks it, which would then differ from its file."""


def normalise(dashboard: Json) -> Json:
    """Return the dashboard in the form that is committed.

    It does not change a dashboard that is already in that form.
    """
    out = _without(dashboard, DASHBOARD_NOISE)
    out["schemaVersion"] = SCHEMA_VERSION
    out["annotations"] = _annotations(out.get("annotations") or {})
    out.setdefault("templating", {"list": []})
    out["panels"] = [_panel(panel) for panel in out.get("panels", [])]
    out["timepicker"] = {}
    out["version"] = 0
    out.setdefault("fiscalYearStartMonth", 0)
    out.setdefault("weekStart", "")
    return _keep_first_step(_strip_nulls(out))


def dumps(dashboard: Json) -> str:
    """Return the text that is committed: keys sorted, indented by two spaces, one line feed at the end."""
    return json.dumps(dashboard, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _annotations(annotations: Json) -> Json:
    others = [entry for entry in annotations.get("list", []) if not entry.get("builtIn")]
    return {"list": [BUILT_IN_ANNOTATION, *others]}


def _panel(panel: Json) -> Json:
    out = _without(panel, PANEL_NOISE)
    if out.get("type") in UNQUERIED:
        return _without(out, frozenset({"targets", "datasource"})) | {"fieldConfig": {"defaults": {}, "overrides": []}}
    config = dict(out.get("fieldConfig") or {})
    out["fieldConfig"] = {
        "defaults": _defaults(config.get("defaults") or {}),
        "overrides": config.get("overrides") or [],
    }
    if out.get("type") == "row":
        for key in ("targets", "datasource", "fieldConfig", "options"):
            out.pop(key, None)
        out["panels"] = [_panel(child) for child in out.get("panels") or []]
        return out
    out["targets"] = [_target(target) for target in out.get("targets") or []]
    return out


def _defaults(defaults: Json) -> Json:
    out = dict(defaults)
    thresholds = out.get("thresholds") or {}
    steps = thresholds.get("steps") or [{"color": "green", "value": None}]
    out["thresholds"] = {"mode": thresholds.get("mode", "absolute"), "steps": [_step(step) for step in steps]}
    custom = dict(out.get("custom") or {})
    # `displayMode` is the form before Grafana 9.4; since then it is `cellOptions`.
    if "displayMode" in custom:
        custom["cellOptions"] = {"type": custom.pop("displayMode")}
    if custom.get("stacking") == {}:
        custom["stacking"] = {"group": "A", "mode": "none"}
    if custom.get("scaleDistribution", {}).get("type") == "linear":
        custom["scaleDistribution"] = {"type": "linear"}
    out["custom"] = custom
    return out


def _step(step: Json) -> Json:
    value = step.get("value")
    # grafanalib's Threshold writes the text "null" for the first step.
    return {"color": step["color"], "value": None if value == "null" else value}


def _target(target: Json) -> Json:
    if "rawSql" in target:
        return {**_without(target, SQL_TARGET_NOISE), "editorMode": "code"}
    if "channel" in target:
        return dict(target)
    out = _without(target, PROMETHEUS_TARGET_NOISE)
    return {**out, "editorMode": "code", "range": not out.get("instant", False)}


def _without(data: Json, noise: frozenset[str]) -> Json:
    return {key: value for key, value in data.items() if key not in noise}


def _strip_nulls(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _strip_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_strip_nulls(item) for item in value]
    return value


def _keep_first_step(dashboard: Json) -> Json:
    """Restore the null of each first step: there null is a value (minus infinity), as in Grafana's own JSON."""
    for panel in all_panels(dashboard["panels"]):
        config = panel.get("fieldConfig", {"defaults": {}, "overrides": []})
        properties = [entry for override in config["overrides"] for entry in override["properties"]]
        of_overrides = [entry["value"] for entry in properties if entry["id"] == "thresholds"]
        for thresholds in (config["defaults"].get("thresholds", {}), *of_overrides):
            for step in thresholds.get("steps", []):
                step.setdefault("value", None)
    return dashboard


def all_panels(panels: list[Json]) -> list[Json]:
    """Return all panels, with row headers and the panels of collapsed rows."""
    return [inner for panel in panels for inner in (panel, *all_panels(panel.get("panels", [])))]
