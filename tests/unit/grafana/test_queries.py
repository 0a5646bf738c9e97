"""The files of SQL: each is in a folder, and used."""

from __future__ import annotations

from pathlib import Path

import grafana.queries
from grafana.dashboards import DASHBOARDS
from grafana.generate import build_all
from grafana.queries import INCLUDED, load

FOLDER = Path(grafana.queries.__file__).parent
NAMES = sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.rglob("*.sql"))


def test_each_query_is_in_the_folder_of_a_dashboard() -> None:
    """Each query is in the folder of a dashboard or in `shared`."""
    assert NAMES
    assert {name.rpartition("/")[0] for name in NAMES} <= {*DASHBOARDS, "shared"}


def test_each_query_is_used() -> None:
    """Each query is sent by a dashboard or included by another query."""
    sent = {text for page in build_all().values() for text in texts(page)}
    included = {name for path in FOLDER.rglob("*.sql") for name in INCLUDED.findall(path.read_text(encoding="utf-8"))}
    assert [name for name in NAMES if load(name) not in sent and name not in included] == []


def texts(value: object) -> list[str]:
    """Return every text in this JSON."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


def test_an_included_expression_takes_the_place_of_its_name() -> None:
    """A query contains the included expression without comments, in which Grafana would expand macros."""
    including = [name for name in NAMES if INCLUDED.search((FOLDER / f"{name}.sql").read_text(encoding="utf-8"))]
    assert including
    for name in including:
        for part in INCLUDED.findall((FOLDER / f"{name}.sql").read_text(encoding="utf-8")):
            assert load(part) in load(name)
        assert "{{" not in load(name)
        assert "--" not in load(name)
