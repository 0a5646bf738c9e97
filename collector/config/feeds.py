"""What the collector listens to or pulls beside HTTP: MongoDB, GELF."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from collector.config.units import Listen, Network, parse_network
from collector.config.values import Cluster, Duration, ListenAt, Section, at_least


def _check_mongo_uri(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError("must be a MongoDB connection string like mongodb://user:password@host/?replicaSet=rs0")
    return value


class Mongo(Section):
    """A cluster's MongoDB: the change streams of ZoneMTA's queue, and of WildDuck. A database that is null is not followed."""

    cluster: Cluster = "default"
    uri: Annotated[SecretStr, AfterValidator(_check_mongo_uri)]
    zonemta_database: str | None = "zone-mta"
    queue_collection: str = "zone-queue"
    wildduck_database: str | None = "wildduck"
    wildduck_users_database: str | None = None
    grace: Annotated[Duration, at_least(timedelta(seconds=1))] = timedelta(seconds=60)

    @property
    def logins_database(self) -> str | None:
        """Where WildDuck logs its logins: with its users (its `dbs.users`)."""
        return self.wildduck_users_database or self.wildduck_database


class Gelf(Section):
    """Where GELF messages come in, and from whom."""

    udp: ListenAt | None = None
    tcp: ListenAt | None = Field(default=None, validate_default=True)
    cluster: Cluster = "default"
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
