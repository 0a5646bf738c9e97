"""One incident after the other in a running house, and what is wrong with the messages that came."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.incidents.house import House
    from tests.incidents.incidents import Incident
    from tests.incidents.messages import Message

CALM_SECONDS = 300
LATE_SECONDS = 36
"""As long as a message about an alert can wait: `group_wait` as shipped, an evaluation, and the way."""
ALLOWED_SECONDS = 60
"""The message about the incident's alert has to come within this time after the alert's `for`."""


@dataclass(slots=True)
class Outcome:
    """What came of an incident. `fired` is when the alert's `for` was over. Times are epoch seconds.

    `allowed` are its companions, and the lingering ones of the incidents before it.
    """

    incident: Incident
    allowed: dict[tuple[str, str], str] = field(default_factory=dict)
    began: float = field(default_factory=time.time)
    fired: float = 0.0
    ended: float = 0.0
    messages: list[Message] = field(default_factory=list)

    def faults(self) -> list[str]:
        """Return what is not as it must be: a message that is missing, late, came twice, or must not come."""
        wanted = self.incident.alert, self.incident.severity
        seen = Counter((message.what, message.receiver, message.is_resolved) for message in self.messages)
        found = []
        for receiver in self.incident.receivers:
            for is_resolved in (False, True):
                count = seen.pop((wanted, receiver, is_resolved), 0)
                if count != 1:
                    found.append(f"{receiver} got {count} times {_said(wanted, is_resolved=is_resolved)}")
            late = self.came(receiver, is_resolved=False) - self.fired
            if late > ALLOWED_SECONDS:
                found.append(f"{receiver} got {_said(wanted, is_resolved=False)} {late:.0f} s after its `for`")
        for (what, receiver, is_resolved), count in seen.items():
            if what not in self.allowed or count != 1:
                found.append(f"{receiver} got {count} times {_said(what, is_resolved=is_resolved)}, which it must not")
        return found

    def came(self, receiver: str, *, is_resolved: bool) -> float:
        """Return the epoch time of the alert's message, nan without one."""
        wanted = self.incident.alert, self.incident.severity
        times = [
            message.at
            for message in self.messages
            if (message.what, message.receiver, message.is_resolved) == (wanted, receiver, is_resolved)
        ]
        return times[0] if times else float("nan")


def run(house: House, incidents: Sequence[Incident]) -> Iterator[Outcome]:
    """Let incidents happen and end, one after the other. Yield what came until the next one began.

    Raise AssertionError if an alert, a resolution or the calm after it does not come in time.
    """
    lingering: dict[tuple[str, str], str] = {}
    _wait_for_calm(house, lingering)
    for incident in incidents:
        lingering |= incident.lingering
        outcome = Outcome(incident, incident.companions | lingering)
        incident.begin(house)
        _wait_for(house, outcome, incident.seconds, is_resolved=False)
        outcome.fired = _fired(house, incident)
        time.sleep(incident.hold)
        outcome.ended = time.time()
        incident.end(house)
        _wait_for(house, outcome, incident.calm, is_resolved=True)
        _wait_for_calm(house, lingering)
        outcome.messages = house.inbox.since(outcome.began)
        yield outcome


def _wait_for_calm(house: House, lingering: dict[tuple[str, str], str]) -> None:
    """Wait until no alert is pending or fires but lingering ones, and until a message about the last one has come."""

    def is_calm() -> bool:
        found = {(alert["labels"]["alertname"], alert["labels"]["severity"]) for alert in house.alerts()}
        return found <= lingering.keys()

    wait_until(is_calm, lambda: f"calm: {_names(house)}", CALM_SECONDS, every=1)
    time.sleep(LATE_SECONDS)


def _wait_for(house: House, outcome: Outcome, seconds: float, *, is_resolved: bool) -> None:
    """Wait until each receiver has the message. Without it the outcome says so, with all that came."""
    wanted = outcome.incident.alert, outcome.incident.severity

    def has_come() -> bool:
        came = {
            message.receiver
            for message in house.inbox.since(outcome.began)
            if message.what == wanted and message.is_resolved is is_resolved
        }
        return set(outcome.incident.receivers) <= came

    said = _said(wanted, is_resolved=is_resolved)
    wait_until(has_come, lambda: f"{said}: {_names(house)}, {_came(house, outcome)}", seconds, every=0.5)


def _fired(house: House, incident: Incident) -> float:
    """Return when the alert's `for` was over: Prometheus knows since when its condition holds."""
    labels = {"alertname": incident.alert, "severity": incident.severity}
    since = [
        datetime.fromisoformat(alert["activeAt"]).timestamp()
        for alert in house.alerts()
        if labels.items() <= alert["labels"].items()
    ]
    return min(since) + house.pending_seconds(incident.alert, incident.severity)


def _names(house: House) -> list[str]:
    return sorted(f"{alert['labels']['alertname']} {alert['state']} {alert['labels']}" for alert in house.alerts())


def _came(house: House, outcome: Outcome) -> list[str]:
    return [f"+{message.at - outcome.began:.0f} s {message}" for message in house.inbox.since(outcome.began)]


def _said(what: tuple[str, str], *, is_resolved: bool) -> str:
    return f"{'the resolution of ' if is_resolved else ''}{what[0]} ({what[1]})"
