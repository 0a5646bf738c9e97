"""Settings that may change while the collector runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.config import CollectorSettings, SettingsFiles
from collector.config.renewable import Connections, changes, server_of
from duckwatch.base.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def section(**database: str) -> CollectorSettings:
    """Return settings with this database and one MongoDB."""
    uri = database.pop("uri", "mongodb://a:b@h/?replicaSet=rs0")
    return CollectorSettings.model_validate({"database": {"dsn": "host=h", **database}, "mongo": [{"uri": uri}]})


def test_other_credentials_are_taken_and_another_place_is_not() -> None:
    """Changed credentials of any connection string are used, but another server or database needs a restart."""
    connections = Connections(section(dsn="postgresql://u:a@h/d", session_dsn="postgresql://u:a@h2/d"))
    new = section(
        dsn="postgresql://v:b@h/d", session_dsn="postgresql://u:a@elsewhere/d", uri="mongodb://c:d@h/?replicaSet=rs0"
    )
    assert connections.take(new) == {"collector.database.dsn", "collector.mongo.0.uri"}
    assert connections.dsn.text == "postgresql://v:b@h/d"
    assert connections.direct_dsn.text == "postgresql://u:a@h2/d"
    assert connections.mongo[0].text == "mongodb://c:d@h/?replicaSet=rs0"
    assert connections.take(new) == set()


def test_without_a_session_dsn_both_are_one() -> None:
    """Without `session_dsn`, changed credentials of `dsn` count for both."""
    connections = Connections(section(dsn="host=h password=a"))
    connections.take(section(dsn="password=b host=h"))
    assert connections.direct_dsn.text == "password=b host=h"


def test_a_new_token_of_live_is_taken_and_another_grafana_is_not() -> None:
    """A changed token for Grafana is used, but another Grafana needs a restart."""

    def live(url: str, token: str) -> CollectorSettings:
        return CollectorSettings.model_validate({"live": {"url": url, "token": token}})

    connections = Connections(live("http://a:3000", "old"))
    assert connections.take(live("http://b:3000", "new")) == {"collector.live.token"}
    assert connections.live_token is not None
    assert connections.live_token.text == "new"
    assert Connections(CollectorSettings()).live_token is None


def test_a_place_has_no_credentials_and_changes_name_keys() -> None:
    """A place has no credentials in either form of a string, and changes name their keys, in a list by number."""
    assert server_of("postgresql://u:secret@h:1/d?sslmode=require") == server_of(
        "host=h port=1 dbname=d sslmode=require"
    )
    assert server_of("mongodb://u:p@h/?a=b") == server_of("mongodb://h/?a=b") != server_of("mongodb://h2/?a=b")
    old = CollectorSettings.model_validate({"auth": {"tokens": [{"token": "a"}, {"token": "b"}]}})
    new = CollectorSettings.model_validate(
        {"auth": {"tokens": [{"token": "a"}, {"token": "c"}]}, "retention": {"raw": "31d"}, "listen": "127.0.0.1:9"}
    )
    assert [*changes(old, new)] == ["collector.listen", "collector.auth.tokens.1.token", "collector.retention.raw"]


def test_a_file_that_was_emptied_is_refused(tmp_path: Path) -> None:
    """A file without content, as a full disk leaves it, would mean no credentials: it is a fault.
    A file that was empty from the start is not.
    """
    path = tmp_path / "duckwatch.yml"
    path.write_text("collector: {auth: {tokens: [{token: abc}]}}", encoding="utf-8")
    files = SettingsFiles(path, {})
    loaded = files.load()
    path.write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="is empty now"):
        files.load()
    assert files.loaded is loaded
    files = SettingsFiles(path, {})
    assert files.load() == files.load()
