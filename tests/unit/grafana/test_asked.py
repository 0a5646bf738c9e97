"""The list of everything that the dashboards ask."""

from __future__ import annotations

import json

from grafana.asked import Language, Shape, questions
from grafana.generate import build_all
from grafana.pages import dashboard
from grafana.settings import DEFAULTS
from tests.unit.grafana.kinds import PAGE, every_row

PAGES = {**build_all(), "kinds": dashboard(PAGE, every_row(), DEFAULTS)}


def test_every_query_in_the_json_is_in_the_list() -> None:
    """The list has as many questions of each language, and as many variables, as the text of the JSON."""
    found = questions(PAGES)
    text = json.dumps(PAGES)
    asked = [one for one in found if one.shape is not Shape.VARIABLE]
    for key, language in (("rawSql", Language.SQL), ("expr", Language.PROMQL), ("channel", Language.LIVE)):
        assert len([one for one in asked if one.language is language]) == text.count(f'"{key}": "') > 0
    variables = [one for one in found if one.shape is Shape.VARIABLE]
    assert len(variables) == text.count('"type": "query"')


def test_names_are_unique_and_say_where_a_query_is() -> None:
    """A panel's question is named by id and target, a variable's with `$`, an annotation's with `@`."""
    found = {question.name: question for question in questions(PAGES)}
    assert len(found) == len(questions(PAGES))
    stat = found["kinds/3A"]
    assert (stat.dashboard, stat.title, stat.language, stat.shape) == ("kinds", "Panel 3", Language.SQL, Shape.TABLE)
    assert stat.panel is not None
    assert stat.panel["type"] == "stat"
    assert stat.variables["needle"]["type"] == "textbox"
    assert found["kinds/1A"].shape is Shape.TIME_SERIES
    assert found["kinds/11A"].text == "stream/duckwatch/ticker"
    assert found["kinds/$cluster"].shape is Shape.VARIABLE
    assert found["kinds/$host"].language is Language.LABELS
    assert (found["kinds/@Listings"].language, found["kinds/@Listings"].shape) == (Language.SQL, Shape.ANNOTATION)
    assert found["kinds/@Up"].text == "changes(up[1m]) > 0"


def test_without_an_argument_it_is_what_is_committed() -> None:
    """Without an argument, `questions` returns those of every dashboard with the default settings."""
    assert [question.name for question in questions()] == [question.name for question in questions(build_all())]
