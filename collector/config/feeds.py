"""Settings of the feeds: MongoDB and GELF."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from collector.config.connections import check_mongo
from collector.config.values import Cluster, ListenAt
from duckwatch.base.config.addresses import Endpoint, Endpoints, Network, parse_network
from duckwatch.base.config.values import Duration, Section, at_least

_DATABASE: Final = re.compile(r'[^\x00 .$/\\"]{1,63}')
_COLLECTION: Final = re.compile(r"[^\x00$]{1,200}")


def _check_mongo_uri(value: SecretStr) -> SecretStr:
    check_mongo(value.get_secret_value())
    return value


def _check_database(value: str) -> str:
    if not _DATABASE.fullmatch(value):
        raise ValueError("must be a MongoDB database's name: 1 to 63 characters, no space and none of . $ / \\ \"")
    return value


def _check_collection(value: str) -> str:
    if not _COLLECTION.fullmatch(value):
        raise ValueError("must be a MongoDB collection's name")
    return value


DatabaseSettings = Annotated[str, AfterValidator(_check_database)]
Collection = Annotated[str, AfterValidator(_check_collection)]


class MongoSettings(Section):
    """A cluster's MongoDB: the change streams of ZoneMTA's queue, and of WildDuck.
    A database that is null is not followed.
    """

    cluster: Cluster = "default"
    uri: Annotated[SecretStr, AfterValidator(_check_mongo_uri)]
    zonemta_database: DatabaseSettings | None = "zone-mta"
    queue_collection: Collection = "zone-queue"
    wildduck_database: DatabaseSettings | None = "wildduck"
    wildduck_users_database: DatabaseSettings | None = None
    grace: Annotated[Duration, at_least(timedelta(seconds=1))] = timedelta(seconds=60)

    @property
    def logins_database(self) -> str | None:
        """The database in which WildDuck logs logins: the one of its users (its `dbs.users`)."""
        return self.wildduck_users_database or self.wildduck_database


class GelfSettings(Section):
    """The addresses of the GELF input, and the networks that may send."""

    udp: ListenAt | None = None
    tcp: ListenAt | None = Field(default=None, validate_default=True)
    cluster: Cluster = "default"
    allow: tuple[Annotated[Network, BeforeValidator(parse_network)], ...] = Field(default=(), validate_default=True)

    @field_validator("tcp")
    @classmethod
    def _listen_somewhere(cls, tcp: Endpoint | Endpoints | None, info: ValidationInfo) -> Endpoint | Endpoints | None:
        if tcp is None and "udp" in info.data and info.data["udp"] is None:
            raise ValueError("must be set when udp is not: a HOST:PORT like 127.0.0.1:12201")
        return tcp

    @field_validator("allow")
    @classmethod
    def _guard_the_network(cls, allow: tuple[Network, ...], info: ValidationInfo) -> tuple[Network, ...]:
        ways = [info.data.get("udp"), info.data.get("tcp")]
        if not allow and not all(listen is None or listen.is_loopback for listen in ways):
            raise ValueError(
                "must name the networks that may send, like [10.0.0.0/8]: without, "
                "udp and tcp must be loopback addresses"
            )
        return allow
