"""The provisioning files: they have the keys that Grafana 10.1 needs, and no secret."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from collector.store.schema.reader_role import ROLE
from grafana.generate import GENERATED, build_all

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = GENERATED.parent / "provisioning"
DATASOURCES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "datasources" / "duckwatch.yaml").read_text())[
    "datasources"
]
PROVIDERS: list[dict[str, Any]] = yaml.safe_load((FOLDER / "dashboards" / "duckwatch.yaml").read_text())["providers"]


def test_there_is_one_data_source_of_each_kind() -> None:
    """There is one data source of each kind that the dashboards' variables offer."""
    variables = [variable for page in build_all().values() for variable in page["templating"]["list"]]
    offered = {variable["query"] for variable in variables if variable["type"] == "datasource"}
    assert sorted(source["type"] for source in DATASOURCES) == ["alertmanager", "postgres", "prometheus"]
    assert offered <= {source["type"] for source in DATASOURCES}
    assert len({source["uid"] for source in DATASOURCES}) == len(DATASOURCES)


def test_the_role_is_the_one_that_the_collector_makes() -> None:
    """The PostgreSQL data source uses the collector's read-only role."""
    assert [source["user"] for source in DATASOURCES if source["type"] == "postgres"] == [ROLE]


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*")), ids=lambda path: path.name)
def test_grafanas_user_can_read_the_files(path: Path) -> None:
    """All users can read the files, because Grafana's image runs as uid 472, group 0, which own none of them."""
    needed = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
    assert path.stat().st_mode & needed == needed
    assert path.is_dir() or path.suffix == ".yaml"  # Grafana reads no other


def test_the_database_is_where_every_version_looks() -> None:
    """The database is in `jsonData`, not at the top level, and connections live at most 300 s."""
    postgres = next(source for source in DATASOURCES if source["type"] == "postgres")
    assert postgres["jsonData"]["database"]
    assert "database" not in postgres
    assert postgres["jsonData"]["connMaxLifetime"] <= 300


@pytest.mark.parametrize("source", DATASOURCES, ids=lambda source: source["uid"])
def test_secrets_come_from_files(source: dict[str, Any]) -> None:
    """Every secret is read from a file, and no other key holds a password."""
    assert all(value.startswith("$__file{/") for value in source.get("secureJsonData", {}).values())
    assert not {"password", "basicAuthPassword"} & set(source)
    assert source["editable"] is False


def test_the_provider_serves_a_folder_of_its_own() -> None:
    """The only provider serves the folder `Mail` from files, and the browser cannot change its dashboards."""
    (provider,) = PROVIDERS
    assert (provider["type"], provider["folder"], provider["folderUid"]) == ("file", "Mail", "duckwatch-mail")
    assert provider["allowUiUpdates"] is False
    assert provider["options"]["path"].startswith("/var/lib/grafana/dashboards/")
