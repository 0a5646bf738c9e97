"""alert-rules/alertmanager.yml as the tests run it: with its routes, inhibitions and templates, and other addresses."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import yaml

from tests.alert_rules.rules import RULES

if TYPE_CHECKING:
    from pathlib import Path

SHORT = {"group_wait": "0s", "group_interval": "1s"}
"""The times after which a message is sent. `repeat_interval` stays, so that no test sees a message twice; but that of
the dead man's switch is short.
"""


def written(rules: Path = RULES) -> dict[str, Any]:
    """Return the example of a folder of rules as it is."""
    settings: dict[str, Any] = yaml.safe_load((rules / "alertmanager.yml").read_text(encoding="utf-8"))
    return settings


def routes(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each route, the root first, as objects of these settings."""
    found = []
    waiting = [settings["route"]]
    while waiting:
        route = waiting.pop(0)
        found.append(route)
        waiting.extend(route.get("routes", []))
    return found


def adapted(settings: dict[str, Any], smarthost: str) -> dict[str, Any]:
    """Return the settings with secrets and templates in the server's folder, another smarthost, and short times."""
    changed = deepcopy(settings)
    changed["templates"] = ["{folder}/*.tmpl"]
    others = {
        "slack_api_url_file": "{folder}/slack_webhook_url",
        "smtp_auth_password_file": "{folder}/smtp_password",
        "smtp_smarthost": smarthost,
    }
    assert set(others) <= set(changed["global"])
    changed["global"] |= others
    for route in routes(changed):
        route |= {name: short for name, short in SHORT.items() if name in route}
        if route["receiver"] == "deadman":
            route["repeat_interval"] = "500ms"
    for receiver in changed["receivers"]:
        for mail in receiver.get("email_configs", []):
            mail["tls_config"] = {"ca_file": "{folder}/cert.pem"}
        for hook in receiver.get("webhook_configs", []):
            hook["url_file"] = "{folder}/deadman_url"
    return changed
