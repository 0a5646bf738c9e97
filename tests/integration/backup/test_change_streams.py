"""A change stream goes on from the position in a restored dump: what it reported since then is stored again, once."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from bson import ObjectId

from tests.integration.backup.test_restore_faults import restore
from tests.integration.house import House
from tests.integration.sources.test_wildduck_stream import HISTORY, WildDuck, login_of
from tests.servers.fixtures import need
from tests.servers.secantus import Secantus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.postgres import PostgresCluster

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def mongo(tmp_path_factory: pytest.TempPathFactory, server_logs: Path) -> Iterator[Secantus]:
    """Yield a server that keeps few changes."""
    more = ["--oplog-max-entries", str(HISTORY)]
    server = need(lambda: Secantus(tmp_path_factory.mktemp("mongo"), server_logs, more=more))
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("is_history_lost", [False, True], ids=["history reaches back", "history is lost"])
def test_what_came_after_the_dump_is_stored_again(
    mongo: Secantus, postgres: PostgresCluster, *, is_history_lost: bool
) -> None:
    """Messages and logins of before and after the dump are there once, also if MongoDB no longer has the changes."""
    lost, restored = postgres.create_database(), postgres.create_database()
    before = WildDuck(mongo, House(lost), lost)
    before.follow()
    user = ObjectId()
    before.deliver(1)
    before.login(login_of(user))
    before.until(lambda: len(before.stored()) == 1 and before.logins() == before.counted())
    words = postgres.program("pg_dump", "--format=custom", lost)
    dump = subprocess.run(words, capture_output=True, check=True, cwd="/").stdout
    before.deliver(2)
    before.login(login_of(user, result="success"))
    before.until(lambda: len(before.stored()) == 2 and before.logins() == before.counted())
    before.stop()
    if is_history_lost:
        before.database["other"].insert_many([{"n": n} for n in range(HISTORY + 1200)])
    assert restore(postgres, restored, dump, "--single-transaction") == ""
    after = WildDuck(mongo, House(restored), restored)
    after.name, after.database = before.name, before.database
    assert len(after.stored()) == 1
    after.follow()
    after.until(lambda: len(after.stored()) == 2 and after.logins() == after.counted())
    assert after.stored() == before.stored()
    for one in (before, after):
        one.close()
        one.house.close()
        postgres.drop_database(one.dsn)
