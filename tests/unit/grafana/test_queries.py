"""The files of SQL: each is in a folder, and used."""

from __future__ import annotations

from pathlib import Path

import pytest

import grafana.queries
from grafana.dashboards import DASHBOARDS
from grafana.generate import build_all
from grafana.queries import INCLUDED, VALUE, load_query

FOLDER = Path(grafana.queries.__file__).parent
NAMES = sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.rglob("*.sql"))


def test_each_query_is_in_the_folder_of_a_dashboard() -> None:
    """Each query is in the folder of a dashboard or in `shared`."""
    assert NAMES
    assert {name.rpartition("/")[0] for name in NAMES} <= {*DASHBOARDS, "shared"}


def test_each_query_is_used() -> None:
    """Each query is sent by a dashboard or included by another query."""
    sent = {text for page in build_all().values() for text in texts(page)}
    included = {part for name in NAMES for part, _ in INCLUDED.findall(_text(name))}
    assert [name for name in NAMES if name not in included and load_query(name) not in sent] == []


def texts(value: object) -> list[str]:
    """Return every text in this JSON."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


def test_an_included_expression_takes_the_place_of_its_name() -> None:
    """A query contains the included expression without comments, in which Grafana would expand macros."""
    including = [name for name in NAMES if INCLUDED.search(_text(name))]
    assert including
    for name in including:
        values = dict.fromkeys((part for part, _ in INCLUDED.findall(_text(name)) if "/" not in part), "given")
        for part, given in INCLUDED.findall(_text(name)):
            assert (values.get(part) or load_query(part, **dict(VALUE.findall(given)))) in load_query(name, **values)
        assert "{{" not in load_query(name, **values)
        assert "--" not in load_query(name, **values)


def test_a_value_takes_its_place_as_it_is_written() -> None:
    """A file with places is an error without a value for each."""
    text = load_query("shared/summed_stats", relation="zone_stats", columns=" a,\n b")
    assert "FROM zone_stats_5m" in text
    assert "SELECT a,\n b\n" in text
    assert text.endswith(") AS zone_stats")
    with pytest.raises(FileNotFoundError, match="columns"):
        load_query("shared/summed_stats", relation="zone_stats")


def _text(name: str) -> str:
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
