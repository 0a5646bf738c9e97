"""The collector's settings: every key, its type, its default, and the rules that join keys (docs/configuration.md)."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from collector.config.access import AuthSettings, LimitSettings, TlsSettings
from collector.config.connections import check_url
from collector.config.feeds import GelfSettings, MongoSettings
from collector.config.live import LiveSettings
from collector.config.values import Dsn, FilePath, ListenAt
from duckwatch.base.config.addresses import Endpoint
from duckwatch.base.config.units import format_duration
from duckwatch.base.config.values import Duration, IpAddress, Section, SettingsDocument, Size, at_least, from_bytes

_PSEUDONYMS_SECRET: Final = 16
"""The least number of characters. A client that can guess the secret can find the address of each pseudonym."""


def _check_secret(value: SecretStr) -> SecretStr:
    if not value.get_secret_value():
        raise ValueError("must not be empty")
    return value


class SubjectPolicy(StrEnum):
    """How a message's subject is stored: not at all, or as an HMAC."""

    DROP = "drop"
    HMAC = "hmac"


class Database(Section):
    """The PostgreSQL database for the events."""

    dsn: Dsn = SecretStr("postgresql://duckwatch@localhost/duckwatch")
    session_dsn: Dsn | None = None
    reader_timeout: Annotated[Duration, at_least(timedelta(seconds=1))] = timedelta(seconds=60)
    capacity: Annotated[Size, from_bytes(1 << 20)] | None = None

    @property
    def direct_dsn(self) -> SecretStr:
        """The connection string for session locks, which does not lead through a transaction pooler."""
        return self.session_dsn or self.dsn


class SqliteJournalSettings(Section):
    """The journal in a file."""

    kind: ClassVar[Literal["sqlite"]] = "sqlite"
    path: FilePath = Path("/var/lib/duckwatch/journal")
    max_bytes: Annotated[Size, from_bytes(64 << 10)] = 8 << 30


JournalSettings: TypeAlias = SqliteJournalSettings
"""The union of the kinds of journal.

`kind` is not a key of the configuration: a further kind has a section of its own name in `collector.journal`,
and pydantic's callable `Discriminator` chooses the kind whose section is there. Without one it is `sqlite`.
"""


class RetentionSettings(Section):
    """How long rows are kept."""

    # docs/events.md: an event that is older than `raw` less two chunks of a day is not stored.
    raw: Annotated[Duration, at_least(timedelta(days=3))] = timedelta(days=30)
    stats_15s: Annotated[Duration, at_least(timedelta(hours=1))] = Field(
        default=timedelta(days=3), validate_default=True
    )
    stats_5m: Duration = Field(default=timedelta(days=90), validate_default=True)
    stats_1h: Duration = Field(default=timedelta(days=730), validate_default=True)
    dead_letters: Annotated[Duration, at_least(timedelta(hours=1))] = timedelta(days=14)
    dnsbl_results: Annotated[Duration, at_least(timedelta(days=1))] = timedelta(days=365)
    auth_events: Annotated[Duration, at_least(timedelta(days=1))] = timedelta(days=30)
    audit_events: Annotated[Duration, at_least(timedelta(days=1))] = timedelta(days=365)
    queue_snapshots: Annotated[Duration, at_least(timedelta(hours=1))] = timedelta(days=30)

    @field_validator("stats_15s")
    @classmethod
    def _be_built_from_events(cls, stats_15s: timedelta, info: ValidationInfo) -> timedelta:
        return _within(stats_15s, info, "raw", is_longer=False)

    @field_validator("stats_5m")
    @classmethod
    def _outlast_events(cls, stats_5m: timedelta, info: ValidationInfo) -> timedelta:
        # Roll-ups of hours are built from those of five minutes, for events that may be as late as `raw`.
        return _within(stats_5m, info, "raw", is_longer=True)

    @field_validator("stats_1h")
    @classmethod
    def _outlast_five_minutes(cls, stats_1h: timedelta, info: ValidationInfo) -> timedelta:
        return _within(stats_1h, info, "stats_5m", is_longer=True)


def _within(value: timedelta, info: ValidationInfo, other: str, *, is_longer: bool) -> timedelta:
    """Return a retention. Raise ValueError if it is shorter (or longer) than the valid retention `other`."""
    limit: timedelta = info.data.get(other, value)
    if value < limit if is_longer else value > limit:
        rule = "least" if is_longer else "most"
        raise ValueError(
            f"must be at {rule} {other} ({format_duration(limit)}): a roll-up needs its source to be rebuilt"
        )
    return value


class PrivacySettings(Section):
    """How subjects and people are stored."""

    subject: SubjectPolicy = SubjectPolicy.DROP
    pseudonymise: bool = False
    secret: Annotated[SecretStr, AfterValidator(_check_secret)] | None = Field(default=None, validate_default=True)

    @field_validator("secret")
    @classmethod
    def _go_with_hmac(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if secret is None and info.data.get("subject") is SubjectPolicy.HMAC:
            raise ValueError("must be set (or secret_file) when subject is hmac")
        if info.data.get("pseudonymise") and (secret is None or len(secret.get_secret_value()) < _PSEUDONYMS_SECRET):
            raise ValueError(
                f"must be set (or secret_file), with at least {_PSEUDONYMS_SECRET} random characters, "
                f"when pseudonymise is true"
            )
        return secret


def _check_url(value: SecretStr) -> SecretStr:
    check_url(value.get_secret_value())
    return value


Url = Annotated[SecretStr, AfterValidator(_check_url)]


class DoctorSettings(Section):
    """The servers beside the collector that `doctor` asks; secret, because a password may be in their URLs."""

    prometheus: Url | None = None
    alertmanager: Url | None = None


class CollectorSettings(Section):
    """The section `collector`."""

    listen: ListenAt = Endpoint("127.0.0.1", 9626)
    database: Database = Database()
    journal: JournalSettings = SqliteJournalSettings()
    tls: TlsSettings = TlsSettings()
    auth: AuthSettings = Field(default=AuthSettings(), validate_default=True)
    limits: LimitSettings = LimitSettings()
    retention: RetentionSettings = RetentionSettings()
    privacy: PrivacySettings = PrivacySettings()
    gelf: GelfSettings | None = None
    public_ips: dict[IpAddress, IpAddress] = Field(default_factory=dict)
    sending_ips: tuple[IpAddress, ...] = ()
    mongo: tuple[MongoSettings, ...] = ()
    doctor: DoctorSettings = DoctorSettings()
    live: LiveSettings | None = None

    @property
    def sending_addresses(self) -> tuple[str, ...]:
        """The configured addresses that send mail, each once, as the column `local_ip` has them."""
        own = [self.public_ips.get(ip, ip) for ip in self.sending_ips]
        return tuple(dict.fromkeys([*self.public_ips.values(), *own]))

    @field_validator("mongo")
    @classmethod
    def _be_of_different_clusters(cls, mongo: tuple[MongoSettings, ...]) -> tuple[MongoSettings, ...]:
        if len({one.cluster for one in mongo}) < len(mongo):
            raise ValueError("must not name the same cluster twice")
        return mongo

    @field_validator("auth")
    @classmethod
    def _guard_the_network(cls, auth: AuthSettings, info: ValidationInfo) -> AuthSettings:
        listen = info.data.get("listen")
        if auth.is_open and listen is not None and not listen.is_loopback:
            raise ValueError(
                "must hold a token or an HMAC secret: without one, "
                "listen must be a loopback address like 127.0.0.1:9626"
            )
        return auth


class Settings(SettingsDocument):
    """All settings of the collector."""

    collector: CollectorSettings = CollectorSettings()
