"""Job selectors restrict every metric of their program, and no other text."""

from __future__ import annotations

import pytest

from duckwatch.base.selectors import selected

JOBS = {"collector": 'job="c"', "dnsbl": 'job="d",ns=~"x|y"', "zonemta": 'job="z"'}


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("max(duckwatch_x)", 'max(duckwatch_x{job="c"})'),
        ('duckwatch_x{a="b"}', 'duckwatch_x{job="c", a="b"}'),
        ("rate(duckwatch_x_total[5m]) / duckwatch_y", 'rate(duckwatch_x_total{job="c"}[5m]) / duckwatch_y{job="c"}'),
        ("duckwatch_dnsbl_listed", 'duckwatch_dnsbl_listed{job="d",ns=~"x|y"}'),
        ("zonemta_queue_size > 1", 'zonemta_queue_size{job="z"} > 1'),
        ("wildduck_x", "wildduck_x"),
        (
            "mail_cluster_zone:duckwatch_mail_bounce_ratio:rate30m",
            "mail_cluster_zone:duckwatch_mail_bounce_ratio:rate30m",
        ),
        ('up{a="duckwatch_x", b="a\\"duckwatch_y"}', 'up{a="duckwatch_x", b="a\\"duckwatch_y"}'),
        ("my_duckwatch_x", "my_duckwatch_x"),
        ("label_values(duckwatch_x, host)", 'label_values(duckwatch_x{job="c"}, host)'),
        ("duckwatch_x{}", 'duckwatch_x{job="c"}'),
    ],
)
def test_each_metric_gets_the_matchers_of_its_program(expr: str, expected: str) -> None:
    """Each metric gets its program's matchers; recorded series, other metrics and quoted texts do not change."""
    assert selected(expr, JOBS) == expected


def test_without_selectors_nothing_changes() -> None:
    """Without selectors the expression does not change."""
    assert selected("max(duckwatch_x)", {}) == "max(duckwatch_x)"
