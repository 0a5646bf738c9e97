"""Each block that is no command is read by the program that a reader gives it to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from duckwatch.base.errors import DuckwatchError
from tests.docs import blocks
from tests.docs.formats import READERS, read_settings, read_yaml
from tests.integration.house import House

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.docs.blocks import Block
    from tests.servers.postgres import PostgresCluster

pytestmark = pytest.mark.servers


def named(*languages: str) -> list[Any]:
    """Return the blocks of these languages that no other test takes, as parameters of a test."""
    return [pytest.param(block, id=block.name) for block in blocks.of(*languages) if block.reason is None]


@pytest.mark.parametrize("block", named(*READERS))
def test_the_program_reads_it(block: Block, tmp_path: Path) -> None:
    """The block has no fault for the program that a reader gives it to."""
    READERS[block.language](block.text, tmp_path)


IN_PSQL = {block.name for block in blocks.of("sql") if "\\connect" in block.text}
"""What makes roles and a database: tests/docs/test_services.py runs it."""


@pytest.fixture(scope="module")
def database(timescale: PostgresCluster) -> Iterator[psycopg.Connection]:
    """Connect to a database with our tables, and the extension that some statements ask about."""
    dsn = timescale.create_database()
    House(dsn).close()
    with psycopg.connect(dsn) as connection:
        yield connection
    timescale.drop_database(dsn)


MAKES_DATABASE = "CREATE DATABASE"
"""Such a statement cannot run in a transaction."""

STATEMENTS = [one for one in named("sql") if one.id not in IN_PSQL]


@pytest.mark.parametrize("block", [one for one in STATEMENTS if MAKES_DATABASE not in one.values[0].text])
def test_the_database_runs_it(block: Block, database: psycopg.Connection) -> None:
    """The statements run as the administrator, on our tables, without an error. They are rolled back."""
    with database.transaction(force_rollback=True):
        if database.execute("SELECT FROM pg_roles WHERE rolname = 'duckwatch'").rowcount == 0:
            database.execute("CREATE ROLE duckwatch")
        database.execute(block.text.encode())


@pytest.mark.parametrize("block", [one for one in STATEMENTS if MAKES_DATABASE in one.values[0].text])
def test_the_server_makes_the_database(block: Block, timescale: PostgresCluster) -> None:
    """The statement runs as the administrator, on a server that has the role and not yet the database."""
    with psycopg.connect(timescale.dsn(), autocommit=True) as connection:
        connection.execute("CREATE ROLE duckwatch")
        connection.execute(block.text.encode())
        connection.execute("DROP DATABASE duckwatch")
        connection.execute("DROP ROLE duckwatch")


def test_a_key_that_no_program_knows_is_a_fault(tmp_path: Path) -> None:
    """A block with a typing error is found."""
    with pytest.raises(DuckwatchError):
        read_settings("collector: {lissten: '0.0.0.0:9626'}", tmp_path)
    with pytest.raises(AssertionError, match="no program reads"):
        read_yaml("colector: {}", tmp_path)
