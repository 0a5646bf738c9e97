"""Write deploy/compose/prometheus.yml and alertmanager.yml: those of alert-rules/, with Compose's names.

So the try-out has the jobs, routes and inhibitions that users copy, and differs only in addresses.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[1]
RULES: Final = ROOT / "alert-rules"
COMPOSE: Final = ROOT / "deploy" / "compose"

HEAD: Final = "# Made by `make generate` from alert-rules/{name}, for docker-compose.yml: do not edit it.\n"

HOSTS: Final = {
    "127.0.0.1:9093": "alertmanager:9093",
    "127.0.0.1:9626": "collector:9626",
    "127.0.0.1:9627": "dnsbl:9627",
}
"""The addresses of the example, and those of the services."""

MORE_JOBS: Final = {"zonemta": "zonemta:12080", "wildduck": "wildduck:8081"}
"""The mail servers' own metrics, for the dashboard *MTA itself*."""

CATCHER: Final = {
    "smtp_smarthost": "mailpit:1025",
    "smtp_from": "alerts@duckwatch.example",
    "smtp_require_tls": False,
}


def prometheus() -> str:
    """Return the text of prometheus.yml."""
    document = _read("prometheus.yml")
    for group in _static(document):
        group["targets"] = [HOSTS[one] for one in group["targets"]]
    for job, target in MORE_JOBS.items():
        document["scrape_configs"].append({"job_name": job, "static_configs": [{"targets": [target]}]})
    return _text("prometheus.yml", document)


def alertmanager() -> str:
    """Return the text of alertmanager.yml: e-mail goes to the catcher, and nothing leaves this machine."""
    document = _read("alertmanager.yml")
    kept = {key: value for key, value in document["global"].items() if not key.startswith(("smtp_", "slack_"))}
    document["global"] = kept | CATCHER
    for receiver in document["receivers"]:
        for kind in [key for key in receiver if key not in ("name", "email_configs")]:
            del receiver[kind]
    return _text("alertmanager.yml", document)


def _static(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every group of targets: the Alertmanagers' and the jobs'."""
    holders = [*document["alerting"]["alertmanagers"], *document["scrape_configs"]]
    return [group for one in holders for group in one["static_configs"]]


def _read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((RULES / name).read_text(encoding="utf-8"))
    return document


def _text(name: str, document: dict[str, Any]) -> str:
    return HEAD.format(name=name) + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


FILES: Final = {COMPOSE / "prometheus.yml": prometheus, COMPOSE / "alertmanager.yml": alertmanager}

if __name__ == "__main__":
    for file, build in FILES.items():
        file.write_text(build(), encoding="utf-8")
