"""The incidents: what happens, which alert must come, and which other messages are right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from duckwatch.demo.cast import LISTED_ADDRESS
from tests.incidents.house import FRAIL, STERN
from tests.servers import nameserver as behave

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.incidents.house import House

MAIL, MAIL_SLACK = "mail-ops@mail.example", "#mail-alerts"
PLATFORM, PLATFORM_SLACK = "platform-ops@mail.example", "#platform-alerts"


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident. `alert`, of `severity`, must come once at each of `receivers`; so must its resolution.

    `companions` (alert and severity, with the reason) may come as well, and end before the next incident; `lingering`
    ones may come until the last incident. `seconds` limit the wait for the alert, `calm` the wait for its resolution.
    The incident goes on for `hold` seconds after the alert has come.
    """

    name: str
    alert: str
    severity: str
    receivers: tuple[str, ...]
    begin: Callable[[House], None]
    end: Callable[[House], None]
    companions: dict[tuple[str, str], str] = field(default_factory=dict)
    lingering: dict[tuple[str, str], str] = field(default_factory=dict)
    seconds: float = 300
    calm: float = 300
    hold: float = 36


def _list(house: House) -> None:
    name = ".".join(reversed(LISTED_ADDRESS.split(".")))
    house.stern.listed[f"{name}.{STERN}"] = ["127.0.0.2"]
    house.mail.is_enforced = True


def _delist(house: House) -> None:
    name = ".".join(reversed(LISTED_ADDRESS.split(".")))
    del house.stern.listed[f"{name}.{STERN}"]
    house.mail.is_enforced = False


def _refuse(house: House) -> None:
    house.names.zones = {**house.names.zones, FRAIL: behave.everything("127.255.255.254")}


def _answer(house: House) -> None:
    house.names.zones = {**house.names.zones, FRAIL: house.frail}


def _yahoo(refuses: bool) -> Callable[[House], None]:
    def change(house: House) -> None:
        house.mail.yahoo_refuses = refuses

    return change


def _attack(goes_on: bool) -> Callable[[House], None]:
    def change(house: House) -> None:
        house.logins.is_attacked = goes_on

    return change


LATE_EVENTS = {("DuckwatchIngestSloBurn", "warning"): "an outage of over a minute makes its events late, as it says"}

# The outages come last: they are longer than a minute, which is not made shorter, and the windows of the objective are.
INCIDENTS = (
    Incident("list", "DuckwatchDnsblListRefused", "warning", (MAIL,), _refuse, _answer),
    Incident(
        "listed",
        "DuckwatchDnsblListedAndEnforced",
        "critical",
        (MAIL_SLACK, MAIL),
        _list,
        _delist,
        {
            ("DuckwatchDnsblListed", "warning"): "the listing, before receivers have refused enough mail",
            ("DuckwatchBlockRatioHigh", "warning"): "the listed address is one of four of its zone",
        },
    ),
    Incident(
        "provider",
        "DuckwatchProviderRefuses",
        "critical",
        (MAIL_SLACK, MAIL),
        _yahoo(refuses=True),
        _yahoo(refuses=False),
    ),
    Incident(
        "plugin",
        "DuckwatchPluginSilent",
        "warning",
        (PLATFORM,),
        lambda house: house.kill_plugin(),
        lambda house: house.start_plugin(),
        seconds=600,
    ),
    Incident(
        "logins",
        "DuckwatchLoginAccountsAttacked",
        "critical",
        (MAIL_SLACK, MAIL),
        _attack(goes_on=True),
        _attack(goes_on=False),
        {("DuckwatchLoginFailures", "warning"): "which cluster and protocol"},
        calm=1_200,
    ),
    Incident(
        "database",
        "DuckwatchDatabaseAway",
        "critical",
        (PLATFORM_SLACK, PLATFORM),
        lambda house: house.database.stop(),
        lambda house: house.database.start(),
        lingering=LATE_EVENTS,
        hold=0,
    ),
    Incident(
        "collector",
        "DuckwatchCollectorDown",
        "critical",
        (PLATFORM_SLACK, PLATFORM),
        lambda house: house.collector.kill(),
        lambda house: house.collector.start(),
        lingering=LATE_EVENTS,
        hold=0,
    ),
)
