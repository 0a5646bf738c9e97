"""The collector's settings: every key, its type, its default, and the rules that join keys (docs/configuration.md)."""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Self

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from collector.config.units import (
    Listen,
    Network,
    format_duration,
    format_size,
    parse_duration,
    parse_ip,
    parse_listen,
    parse_network,
    parse_size,
)

OTHER_SECTIONS: Final = frozenset({"dnsbl", "grafana"})
"""Sections of the same file that other programs validate: known by name only."""

_TOKEN: Final = re.compile(r"[!-~]{1,1024}", re.ASCII)
_PSEUDONYMS_SECRET: Final = 16
"""Characters. Whoever can guess the secret can try every address that there is."""

_CLUSTER: Final = re.compile(r"[^\x00-\x1f\x7f]{1,255}")


def _at_least(minimum: timedelta) -> AfterValidator:
    def check(value: timedelta) -> timedelta:
        if value < minimum:
            raise ValueError(f"must be at least {format_duration(minimum)}")
        return value

    return AfterValidator(check)


def _from_bytes(minimum: int) -> AfterValidator:
    def check(value: int) -> int:
        if value < minimum:
            raise ValueError(f"must be at least {format_size(minimum)}")
        return value

    return AfterValidator(check)


def _check_dsn(value: SecretStr) -> SecretStr:
    try:
        known = conninfo_to_dict(value.get_secret_value())
    except ProgrammingError:
        known = {}
    if not known:
        # libpq's own message quotes the string, password and all.
        raise ValueError("must be a PostgreSQL connection string like postgresql://user@host/database")
    return value


def _check_token(value: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("must be 1 to 1024 printable ASCII characters without spaces")
    return value


def _check_hmac_secret(value: SecretStr) -> SecretStr:
    if not 24 <= len(hmac_key(value)) <= 64:
        raise ValueError("must be whsec_ and the base64 of 24 to 64 random bytes")
    return value


def hmac_key(secret: SecretStr) -> bytes:
    """The key of a Standard Webhooks secret; empty when it is none."""
    prefix, _, encoded = secret.get_secret_value().partition("_")
    try:
        return base64.b64decode(encoded.encode("ascii"), validate=True) if prefix == "whsec" else b""
    except (binascii.Error, UnicodeEncodeError):
        return b""


def _check_cluster(value: str) -> str:
    if not _CLUSTER.fullmatch(value):
        raise ValueError("must be a name of 1 to 255 characters without control characters")
    return value


def _check_secret(value: SecretStr) -> SecretStr:
    if not value.get_secret_value():
        raise ValueError("must not be empty")
    return value


def _check_path(value: Path) -> Path:
    if not value.name or "\0" in str(value):
        raise ValueError("must be a path like /var/lib/duckwatch/journal")
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]
Address = Annotated[str, BeforeValidator(parse_ip)]
Dsn = Annotated[SecretStr, AfterValidator(_check_dsn)]


class Section(BaseModel):
    """A group of keys. Unknown keys are errors; what was written never appears in an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=False)


class SubjectPolicy(StrEnum):
    """What becomes of a message's subject."""

    DROP = "drop"
    HMAC = "hmac"


class Database(Section):
    """Where the events go."""

    dsn: Dsn = SecretStr("postgresql://duckwatch@localhost/duckwatch")
    session_dsn: Dsn | None = None
    reader_timeout: Annotated[Duration, _at_least(timedelta(seconds=1))] = timedelta(seconds=60)

    @property
    def direct_dsn(self) -> SecretStr:
        """The way past a transaction pooler, for session locks."""
        return self.session_dsn or self.dsn


class Journal(Section):
    """The durable buffer between the acknowledgement and the database."""

    path: Annotated[Path, AfterValidator(_check_path)] = Path("/var/lib/duckwatch/journal")
    max_bytes: Annotated[Size, _from_bytes(64 << 10)] = 8 << 30


class Token(Section):
    """One credential of a sender, and the cluster that it speaks for."""

    token: Annotated[SecretStr, AfterValidator(_check_token)]
    cluster: Annotated[str, AfterValidator(_check_cluster)] | None = None


class HmacSecret(Section):
    """One secret with which a sender signs, and the cluster that it speaks for. Text alone is the secret."""

    secret: Annotated[SecretStr, AfterValidator(_check_hmac_secret)]
    cluster: Annotated[str, AfterValidator(_check_cluster)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _take_text(cls, written: Any) -> Any:  # noqa: ANN401 - whatever was written
        return {"secret": written} if isinstance(written, str) else written

    @property
    def key(self) -> bytes:
        """The bytes that sign."""
        return hmac_key(self.secret)


class Auth(Section):
    """Who may send. Without tokens and secrets: only this machine."""

    tokens: tuple[Token, ...] = ()
    hmac_secrets: tuple[HmacSecret, ...] = ()
    hmac_tolerance: Annotated[Duration, _at_least(timedelta(seconds=1))] = timedelta(minutes=5)

    @field_validator("tokens")
    @classmethod
    def _differ(cls, tokens: tuple[Token, ...]) -> tuple[Token, ...]:
        if len({token.token.get_secret_value() for token in tokens}) < len(tokens):
            raise ValueError("must not hold the same token twice")
        return tokens

    @field_validator("hmac_secrets")
    @classmethod
    def _secrets_differ(cls, secrets: tuple[HmacSecret, ...]) -> tuple[HmacSecret, ...]:
        if len({secret.key for secret in secrets}) < len(secrets):
            raise ValueError("must not hold the same secret twice")
        return secrets

    @property
    def is_open(self) -> bool:
        """True when no credential is asked for."""
        return not self.tokens and not self.hmac_secrets


class Tls(Section):
    """The server's own certificate; without one it speaks plain HTTP."""

    certificate: Annotated[Path, AfterValidator(_check_path)] | None = None
    key: Annotated[Path, AfterValidator(_check_path)] | None = Field(default=None, validate_default=True)

    @field_validator("key")
    @classmethod
    def _go_together(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        certificate = info.data.get("certificate")
        if "certificate" in info.data and (key is None) != (certificate is None):
            raise ValueError("must be set together with certificate, and only then")
        if key is not None and certificate is not None:
            try:
                # An encrypted key is a fault too; without this OpenSSL would ask the terminal.
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, str)
            except OSError:
                raise ValueError(
                    "must be the unencrypted key of certificate, both of them PEM files that this user can read"
                ) from None
        return key

    @property
    def files(self) -> tuple[Path, Path] | None:
        """The chain and its key."""
        return None if self.certificate is None or self.key is None else (self.certificate, self.key)


class Limits(Section):
    """What one request, one token and all requests together may use."""

    body_bytes: Annotated[Size, _from_bytes(1 << 10)] = 8 << 20
    inflight_bytes: Annotated[Size, _from_bytes(1 << 10)] = 32 << 20
    events_per_second: Annotated[int, Field(gt=0)] | None = None
    read_timeout: Annotated[Duration, _at_least(timedelta(milliseconds=100))] = timedelta(seconds=30)
    connections: Annotated[int, Field(gt=0)] = 1000

    @field_validator("inflight_bytes")
    @classmethod
    def _hold_one_body(cls, inflight_bytes: int, info: ValidationInfo) -> int:
        if inflight_bytes < info.data.get("body_bytes", 0):
            raise ValueError("must be at least body_bytes, or a large body could never be taken")
        return inflight_bytes


class Retention(Section):
    """How long rows are kept."""

    # docs/events.md: older than raw less two chunks of a day is not stored.
    raw: Annotated[Duration, _at_least(timedelta(days=3))] = timedelta(days=30)
    stats_15s: Annotated[Duration, _at_least(timedelta(hours=1))] = Field(
        default=timedelta(days=3), validate_default=True
    )
    stats_5m: Duration = Field(default=timedelta(days=90), validate_default=True)
    stats_1h: Duration = Field(default=timedelta(days=730), validate_default=True)
    dead_letters: Annotated[Duration, _at_least(timedelta(hours=1))] = timedelta(days=14)
    dnsbl_results: Annotated[Duration, _at_least(timedelta(days=1))] = timedelta(days=365)
    auth_events: Annotated[Duration, _at_least(timedelta(days=1))] = timedelta(days=30)
    audit_events: Annotated[Duration, _at_least(timedelta(days=1))] = timedelta(days=365)
    queue_snapshots: Annotated[Duration, _at_least(timedelta(hours=1))] = timedelta(days=30)

    @field_validator("stats_15s")
    @classmethod
    def _be_built_from_events(cls, stats_15s: timedelta, info: ValidationInfo) -> timedelta:
        return _within(stats_15s, info, "raw", is_longer=False)

    @field_validator("stats_5m")
    @classmethod
    def _outlast_events(cls, stats_5m: timedelta, info: ValidationInfo) -> timedelta:
        # The hours are built from the five minutes, as far back as events may be late.
        return _within(stats_5m, info, "raw", is_longer=True)

    @field_validator("stats_1h")
    @classmethod
    def _outlast_five_minutes(cls, stats_1h: timedelta, info: ValidationInfo) -> timedelta:
        return _within(stats_1h, info, "stats_5m", is_longer=True)


def _within(value: timedelta, info: ValidationInfo, other: str, *, is_longer: bool) -> timedelta:
    """Holds one retention to another, where that one was good."""
    limit: timedelta = info.data.get(other, value)
    if value < limit if is_longer else value > limit:
        rule = "least" if is_longer else "most"
        raise ValueError(
            f"must be at {rule} {other} ({format_duration(limit)}): a roll-up needs its source to be rebuilt"
        )
    return value


def _check_mongo_uri(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError("must be a MongoDB connection string like mongodb://user:password@host/?replicaSet=rs0")
    return value


class Mongo(Section):
    """A cluster's MongoDB: the change streams of ZoneMTA's queue, and of WildDuck. A database that is null is not followed."""

    cluster: Annotated[str, AfterValidator(_check_cluster)] = "default"
    uri: Annotated[SecretStr, AfterValidator(_check_mongo_uri)]
    zonemta_database: str | None = "zone-mta"
    queue_collection: str = "zone-queue"
    wildduck_database: str | None = "wildduck"
    grace: Annotated[Duration, _at_least(timedelta(seconds=1))] = timedelta(seconds=60)


class Privacy(Section):
    """What is kept of a message's content."""

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
                f"must be set (or secret_file), with at least {_PSEUDONYMS_SECRET} random characters, when pseudonymise is true"
            )
        return secret


class Gelf(Section):
    """Where GELF messages come in, and from whom."""

    udp: Annotated[Listen, BeforeValidator(parse_listen)] | None = None
    tcp: Annotated[Listen, BeforeValidator(parse_listen)] | None = Field(default=None, validate_default=True)
    cluster: Annotated[str, AfterValidator(_check_cluster)] = "default"
    allow: tuple[Annotated[Network, BeforeValidator(parse_network)], ...] = Field(default=(), validate_default=True)

    @field_validator("tcp")
    @classmethod
    def _listen_somewhere(cls, tcp: Listen | None, info: ValidationInfo) -> Listen | None:
        if tcp is None and "udp" in info.data and info.data["udp"] is None:
            raise ValueError("must be set when udp is not: a HOST:PORT like 127.0.0.1:12201")
        return tcp

    @field_validator("allow")
    @classmethod
    def _guard_the_network(cls, allow: tuple[Network, ...], info: ValidationInfo) -> tuple[Network, ...]:
        ways = [info.data.get("udp"), info.data.get("tcp")]
        if not allow and not all(listen is None or listen.is_loopback for listen in ways):
            raise ValueError(
                "must name the networks that may send, like [10.0.0.0/8]: without, udp and tcp must be loopback addresses"
            )
        return allow


class Collector(Section):
    """The section `collector`."""

    listen: Annotated[Listen, BeforeValidator(parse_listen)] = Listen("127.0.0.1", 9626)
    database: Database = Database()
    journal: Journal = Journal()
    tls: Tls = Tls()
    auth: Auth = Field(default=Auth(), validate_default=True)
    limits: Limits = Limits()
    retention: Retention = Retention()
    privacy: Privacy = Privacy()
    gelf: Gelf | None = None
    public_ips: dict[Address, Address] = Field(default_factory=dict)
    mongo: tuple[Mongo, ...] = ()

    @field_validator("mongo")
    @classmethod
    def _be_of_different_clusters(cls, mongo: tuple[Mongo, ...]) -> tuple[Mongo, ...]:
        if len({one.cluster for one in mongo}) < len(mongo):
            raise ValueError("must not name the same cluster twice")
        return mongo

    @field_validator("auth")
    @classmethod
    def _guard_the_network(cls, auth: Auth, info: ValidationInfo) -> Auth:
        listen = info.data.get("listen")
        if auth.is_open and listen is not None and not listen.is_loopback:
            raise ValueError(
                "must hold a token or an HMAC secret: without one, listen must be a loopback address like 127.0.0.1:9626"
            )
        return auth


class Settings(BaseSettings):
    """Everything that the collector was told."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    collector: Collector = Collector()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` hands over: nothing here reads the process's own environment."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @classmethod
    def defaults(cls) -> Self:
        """The settings when nothing is set."""
        return cls()
