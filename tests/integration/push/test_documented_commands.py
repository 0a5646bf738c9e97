"""The commands of the documents for a push, pasted into a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from grafana.generate import render
from tests.docs.blocks import pasted
from tests.servers.grafana_stand_in import GrafanaStandIn

BLOCK = pasted("duckwatch-dashboards push --dry-run")


def test_the_commands_push(tmp_path: Path) -> None:
    """They print a plan, and then push every dashboard; only the URL and the token's path are others."""
    stand_in = GrafanaStandIn()
    (tmp_path / "token").write_text(stand_in.client().token("Editor") + "\n")
    text = BLOCK.text.replace("https://grafana.example.com", stand_in.url)
    text = text.replace("/run/secrets/grafana-token", str(tmp_path / "token"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    try:
        ended = subprocess.run(
            ["sh", "-e", "-c", text],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={"PATH": path, "LANG": "C.UTF-8"},
        )
    finally:
        stand_in.stop()
    assert ended.returncode == 0, ended.stderr
    verbs = [line[:12].strip() for line in ended.stdout.splitlines()]
    count = len(render()) + 1
    assert verbs == ["would create"] * count + ["created"] * count
