"""The campaign of incidents (`make incidents`): its alerts exist, and it finds what must not come."""

from __future__ import annotations

import pytest

from tests.alert_rules.rules import alerts
from tests.incidents.campaign import Outcome
from tests.incidents.incidents import INCIDENTS, Incident
from tests.incidents.messages import Message

DATABASE = next(incident for incident in INCIDENTS if incident.name == "database")
LATE = next(iter(DATABASE.lingering))
STRANGER = ("DuckwatchStoreErrors", "warning")


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda incident: incident.name)
def test_an_incident_has_an_alert_of_the_pack(incident: Incident) -> None:
    """Name and severity are those of a rule, and so are those of each message that may come as well."""
    known = {(rule.name, rule.severity): rule.body["labels"]["team"] for rule in alerts()}
    assert {(incident.alert, incident.severity), *incident.companions, *incident.lingering} <= known.keys()
    team = known[incident.alert, incident.severity]
    wanted = [f"#{team}-alerts"] * (incident.severity == "critical") + [f"{team}-ops@mail.example"]
    assert list(incident.receivers) == wanted


def outcome(*more: Message) -> Outcome:
    """Return the outcome of an incident after which all has come that must, and `more`."""
    usual = [message(receiver, is_resolved) for receiver in DATABASE.receivers for is_resolved in (False, True)]
    return Outcome(DATABASE, DATABASE.lingering, messages=[*usual, *more])


def message(
    receiver: str, is_resolved: bool, what: tuple[str, str] = (DATABASE.alert, DATABASE.severity), at: float = 0.0
) -> Message:
    return Message(at, receiver, *what, is_resolved, "a title", None)


def test_a_message_too_many_or_too_few_is_a_fault() -> None:
    """Each alert and each resolution comes once to each receiver; a companion may come once, a stranger never."""
    slack, email = DATABASE.receivers
    assert outcome().faults() == []
    assert outcome(message(email, False, LATE), message(email, True, LATE)).faults() == []
    assert outcome(message(slack, False)).faults() == [f"{slack} got 2 times DuckwatchDatabaseAway (critical)"]
    assert len(outcome(message(email, False, LATE), message(email, False, LATE)).faults()) == 1
    assert len(outcome(message(email, False, STRANGER)).faults()) == 1
    missing = outcome()
    missing.messages.pop()
    assert missing.faults() == [f"{email} got 0 times the resolution of DuckwatchDatabaseAway (critical)"]


def test_a_message_that_comes_late_is_a_fault() -> None:
    """The alert's message has 60 seconds after its `for`, at each receiver; a resolution has none."""
    slack, email = DATABASE.receivers
    came = [message(slack, False, at=1060.0), message(email, False, at=1061.0)]
    ended = [message(receiver, True, at=2000.0) for receiver in DATABASE.receivers]
    found = Outcome(DATABASE, DATABASE.lingering, fired=1000.0, messages=[*came, *ended]).faults()
    assert found == [f"{email} got DuckwatchDatabaseAway (critical) 61 s after its `for`"]
