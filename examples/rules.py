"""Write deploy/kubernetes/rules/rules.yaml: the rules of alert-rules as objects of the Prometheus operator."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from duckwatch.rules.kubernetes import prometheus_rule
from duckwatch.rules.pack import rule_files

RULES: Final = Path(__file__).parents[1] / "deploy" / "kubernetes" / "rules" / "rules.yaml"
HEAD: Final = "# The rules of alert-rules, for the Prometheus operator. Made by `make generate`: do not edit it.\n"


def build() -> str:
    """Return the text of the file: one PrometheusRule for each file of rules, the thresholds among them."""
    return HEAD + "---\n".join(prometheus_rule(path, document, {}, None) for path, document in rule_files().items())


if __name__ == "__main__":
    RULES.write_text(build(), encoding="utf-8")
