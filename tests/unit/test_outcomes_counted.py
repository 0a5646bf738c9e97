"""The counter of outcomes by class: each class of a place from its first attempt on."""

from __future__ import annotations

from typing import Any

from collector.events.model.event import Action, BounceKind, Direction, Provider, Reason
from tests.unit.test_metrics import counted, event, samples


def test_each_attempt_counts_in_one_class_and_the_others_of_its_place_stand_at_0() -> None:
    """A place has every class from its first attempt on; another place, and what is not outbound, have none."""
    place: dict[str, Any] = {"zone": "bulk", "provider": Provider.GOOGLE}
    refusing = {Reason.REPUTATION, Reason.POLICY, Reason.AUTHENTICATION, Reason.CONTENT}
    deferrals = [event(action=Action.DEFERRED, reason=reason, **place) for reason in (*Reason, None)]
    bounces = [
        event(action=Action.BOUNCED, reason=reason, bounce_kind=kind, **place)
        for reason in (*Reason, None)
        for kind in (*BounceKind, None)
    ]
    of_kind = len(Reason) + 1
    others = [event(direction=Direction.DSN, zone="news"), event(action=Action.QUEUED, zone="news")]
    metrics = counted(*deferrals, *bounces, event(**place), event(**place), *others)
    blocking, uncertain = len(refusing) + 2, 2
    assert samples(metrics, "duckwatch_mail_outcomes_total") == {
        (name, "eu1", "google", "bulk"): count
        for name, count in {
            "delivered": 2,
            "deferred_block": len(refusing),
            "deferred": len(deferrals) - len(refusing),
            "hard": of_kind,
            "expired": of_kind,
            "block": blocking * uncertain,
            "other": uncertain,
            "soft": (of_kind - blocking - 1) * uncertain,
        }.items()
    }
    one = counted(event(**place))
    assert sorted(samples(one, "duckwatch_mail_outcomes_total").values()) == [0] * 7 + [1]
    assert sorted(samples(one, "duckwatch_mail_attempts_total").values()) == [0] * 8 + [1]
