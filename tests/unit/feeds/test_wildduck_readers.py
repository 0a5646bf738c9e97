"""The feeds of WildDuck's databases."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from collector.config.feeds import MongoSettings
from collector.events.border.decoding import Border
from collector.feeds.mongo.wildduck import wildduck_readers

BOTH = ["messages", "authlog"]


@pytest.mark.parametrize(
    ("mail", "users", "followed"),
    [
        ("wildduck", None, [("wildduck", "wildduck", BOTH)]),
        ("wildduck", "wildduck", [("wildduck", "wildduck", BOTH)]),
        ("mail", "users", [("wildduck", "mail", ["messages"]), ("wildduck_users", "users", ["authlog"])]),
        (None, "users", [("wildduck_users", "users", ["authlog"])]),
        (None, None, []),
    ],
)
def test_each_database_has_a_feed(mail: str | None, users: str | None, followed: list[object]) -> None:
    """Each database has a feed with its own name, token and lock; logins are in the users' database."""
    settings = MongoSettings(uri=SecretStr("mongodb://h"), wildduck_database=mail, wildduck_users_database=users)
    readers = wildduck_readers(settings, Border("eu1"))
    assert [(one.name, one.database, one.collections) for one in readers] == followed
