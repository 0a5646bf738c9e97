"""The panels of Grafana Live read what the collector pushes: its channels, its fields, and windows of its length."""

from __future__ import annotations

import pytest

from collector.config.live import LiveSettings
from collector.live.windows import Windows
from grafana.asked import Language, Question, questions
from tests.servers.grafana_live import frames, parse

NOW = 1_795_504_000
TENANT = "shop.example"
QUESTIONS = [question for question in questions() if question.language is Language.LIVE]


def pushed() -> Windows:
    """Return windows as a collector with the default settings has them."""
    windows = Windows([TENANT], LiveSettings.model_fields["top_domains"].default)
    windows.set_queue(NOW, {}, NOW)
    return windows


@pytest.mark.parametrize("question", QUESTIONS, ids=[question.name for question in QUESTIONS])
def test_a_panel_reads_a_window_whole(question: Question) -> None:
    """A panel's channel is pushed, it names each field, and it shows as many points as the window has rows."""
    panel = question.panel
    assert panel is not None
    measurement = question.text.removeprefix("stream/duckwatch/").replace("$tenant", TENANT)
    frame = frames(parse(pushed().render(NOW).encode()))[measurement]
    assert set(panel["targets"][0]["filter"]["fields"]) == {"time", *(name for name, _ in frame.schema)}
    assert panel["maxDataPoints"] == len(frame.rows)


def test_three_dashboards_move() -> None:
    """*Overview*, *Queue* and *Tenants* have panels of Live."""
    assert {question.dashboard for question in QUESTIONS} == {"overview", "queue", "tenants"}
