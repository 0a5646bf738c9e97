"""The commands of docs/dashboards.md for a push, pasted into a shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from grafana.generate import render
from tests.servers.grafana_stand_in import GrafanaStandIn

PAGE = (Path(__file__).parents[3] / "docs" / "dashboards.md").read_text(encoding="utf-8")


def test_the_commands_push(tmp_path: Path) -> None:
    """They print a plan, and then push every dashboard; only the URL and the token's path are others."""
    section = PAGE.partition("### Pushing into a running Grafana\n")[2].partition("\n### ")[0]
    (block,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    stand_in = GrafanaStandIn()
    (tmp_path / "token").write_text(stand_in.client().token("Editor") + "\n")
    pasted = block.replace("https://grafana.example.com", stand_in.url)
    pasted = pasted.replace("/run/secrets/grafana-token", str(tmp_path / "token"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    try:
        ended = subprocess.run(
            ["sh", "-e", "-c", pasted],
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
