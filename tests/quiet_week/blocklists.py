"""What the made-up house's DNSBL exporter shows of itself and of its lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.quiet_week.series import Life

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from tests.quiet_week.series import Samples

DAY: Final = 1440


def exporter(random: Random, minutes: int) -> Iterator[tuple[str, Samples]]:
    """Yield the DNSBL exporter, its lists, and one permanent listing that nobody minds."""
    failed = frozenset(random.randrange(minutes) for _ in range(minutes // 500))
    life = Life(minutes, frozenset(), failed)
    target = 'job="mail/dnsbl", instance="dnsbl:9627"'
    yield f"up{{{target}}}", [float(minute not in failed) for minute in range(minutes)]
    yield f'duckwatch_dnsbl_build_info{{{target}, version="1"}}', life.gauge(lambda _: 1)
    yield f"duckwatch_dnsbl_config_last_reload_successful{{{target}}}", life.gauge(lambda _: 1)
    yield f"duckwatch_dnsbl_schedule_lag_seconds{{{target}}}", life.gauge(lambda minute: float(minute % 4))
    yield f"duckwatch_dnsbl_targets_left_out{{{target}}}", life.gauge(lambda _: 0)
    yield f'duckwatch_dnsbl_resolver_up{{{target}, resolver="127.0.0.1:53"}}', life.gauge(lambda _: 1)
    yield f'duckwatch_dnsbl_results_total{{{target}, result="dropped"}}', life.counter(lambda _: 0)
    listing = 'target="192.0.2.1", list="calm.example", code="127.0.0.3", severity="info"'
    yield f"duckwatch_dnsbl_listing_info{{{target}, {listing}}}", life.gauge(lambda _: 1)
    for number, name in enumerate(("calm.example", "stern.example")):
        begins = 400 + 300 * number

        def healthy(minute: int, begins: int = begins) -> float:
            """Return 0 for some minutes a day in which the list does not answer."""
            return float(not 0 <= minute % DAY - begins < 8)

        yield f'duckwatch_dnsbl_list_state{{{target}, list="{name}", state="healthy"}}', life.gauge(healthy)
        yield (
            f'duckwatch_dnsbl_list_state{{{target}, list="{name}", state="unhealthy"}}',
            life.gauge(lambda minute, begins=begins: 1 - healthy(minute, begins)),  # type: ignore[misc]
        )
        yield (
            f'duckwatch_dnsbl_last_check_timestamp_seconds{{{target}, list="{name}"}}',
            life.gauge(lambda minute: minute * 60.0 - 60 * (minute % 5)),
        )
        yield f'duckwatch_dnsbl_check_interval_seconds{{{target}, list="{name}"}}', life.gauge(lambda _: 300)
