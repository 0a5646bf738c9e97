"""The checks of Prometheus's alert rules and of the Alertmanager, at the addresses in the settings."""

from __future__ import annotations

import base64
import http.client
import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from collector.finding import fault, ok, printable, skipped, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.finding import Finding
    from collector.operations.doctor.installation import Installation

PATIENCE_SECONDS: Final = 10.0
MOST_BYTES: Final = 16 << 20
OURS: Final = "duckwatch_"
"""A text that the query of each of our rules contains."""

LOAD: Final = (
    "rule_files: [thresholds.yml, recording/*.yml, alerts/*.yml] of alert-rules/ in prometheus.yml, then promtool "
    "check config prometheus.yml, and reload Prometheus (docs/alerting.md)"
)

PLACEHOLDER: Final = ".duckwatch.example"
"""What the hosts in the shipped alerts' links end with. `duckwatch-rules build` puts the house's own in."""


class _AnswerError(Exception):
    """The server's answer is not the expected one: the message says what came instead."""


def rules(installation: Installation) -> Iterator[Finding]:
    """Check that Prometheus has our alert rules, can evaluate them, and knows an Alertmanager."""
    url = installation.settings.doctor.prometheus
    if url is None:
        yield skipped("not asked: set collector.doctor.prometheus, like http://127.0.0.1:9090")
        return
    try:
        groups = _ask(url.get_secret_value(), "/api/v1/rules")["data"]["groups"]
        found = [rule for group in groups for rule in group["rules"] if OURS in rule["query"]]
        managers = _ask(url.get_secret_value(), "/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    except _AnswerError as error:
        yield fault(
            f"Prometheus at {_shown(url.get_secret_value())}: {error}",
            "correct collector.doctor.prometheus, or start it",
        )
        return
    except (LookupError, TypeError):
        yield fault(f"no Prometheus answers at {_shown(url.get_secret_value())}", "correct collector.doctor.prometheus")
        return
    yield from _judge(found, len(managers))


def _judge(found: list[dict[str, Any]], managers: int) -> Iterator[Finding]:
    """Judge our rules as Prometheus has them, and the number of Alertmanagers that it knows."""
    alerts = [rule for rule in found if rule.get("type") == "alerting"]
    if not alerts:
        yield fault("no alert rule of duckwatch is loaded: no alert can be sent", LOAD)
        return
    failing = [rule for rule in found if rule.get("health") == "err"]
    for rule in failing:
        name = printable(str(rule.get("name")))
        yield fault(f"the rule {name} cannot be evaluated", "Prometheus's page Status > Rules says why")
    linked = not any(PLACEHOLDER in str(text) for rule in alerts for text in (rule.get("annotations") or {}).values())
    if not linked:
        yield warning(
            "the links of the alerts lead to hosts of an example, not to your runbook and Grafana",
            "duckwatch-rules build --runbook-url URL --grafana-url URL, and load these copies (docs/alerting.md)",
        )
    if not managers:
        yield fault(
            "Prometheus knows no Alertmanager: alerts are not sent",
            "alerting: {alertmanagers: …} in prometheus.yml (alert-rules/prometheus.yml)",
        )
    elif linked and not failing:
        yield ok(f"Prometheus has {len(alerts)} alert rules, and sends alerts to {managers} Alertmanagers")


def alertmanager(installation: Installation) -> Iterator[Finding]:
    """Check that the Alertmanager answers."""
    url = installation.settings.doctor.alertmanager
    if url is None:
        yield skipped("not asked: set collector.doctor.alertmanager, like http://127.0.0.1:9093")
        return
    place = _shown(url.get_secret_value())
    try:
        version = _ask(url.get_secret_value(), "/api/v2/status")["versionInfo"]["version"]
    except _AnswerError as error:
        yield fault(f"Alertmanager at {place}: {error}", "correct collector.doctor.alertmanager, or start it")
    except (LookupError, TypeError):
        yield fault(f"no Alertmanager answers at {place}", "correct collector.doctor.alertmanager")
    else:
        yield ok(f"Alertmanager {printable(str(version))} at {place}")


def _ask(url: str, path: str) -> Any:  # noqa: ANN401 - any JSON
    """Return a server's answer, decoded from JSON. Raise `_AnswerError`, whose text has no part of the URL."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    request = urllib.request.Request(f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}{path}")  # noqa: S310  # http(s)
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310  # http(s)
            return json.loads(answer.read(MOST_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            raise _AnswerError(f"it answers {error.code}") from None
    except ValueError:
        raise _AnswerError("it does not answer in JSON") from None
    except (OSError, http.client.HTTPException):
        raise _AnswerError("it does not answer") from None


def _shown(url: str) -> str:
    """Return the URL's scheme, host and port, without user and password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
