"""Links between dashboards: the variables that they carry, and their targets."""

from __future__ import annotations

import json

import pytest

from grafana import generate
from grafana.generate import build_all
from grafana.links import OF_SERIES, DashboardUid, address, bar, in_text, of_column, only_to, to_dashboard, to_web
from grafana.pages import dashboard
from grafana.settings import DEFAULTS
from tests.unit.grafana.kinds import PAGE, every_row

DASHBOARDS = {"duckwatch-overview": "O", "duckwatch-reputation": "R", "duckwatch-queue": "Q"}


def test_a_link_carries_time_range_data_sources_and_clusters() -> None:
    """A link has the time range, and each carried variable as `queryparam`, which keeps several values apart."""
    assert address(DashboardUid.QUEUE) == (
        "/d/duckwatch-queue?${__url_time_range}&${timescale:queryparam}&${prometheus:queryparam}&${cluster:queryparam}"
    )


def test_a_link_sets_what_was_clicked_and_keeps_the_rest() -> None:
    """A variable that is set is not carried as well, because Grafana would use both values."""
    found = address(
        DashboardUid.QUEUE, keep=("zone", "provider"), values={"zone": of_column("zone"), "cluster": OF_SERIES}
    )
    assert found.count("cluster") == found.count("var-cluster=") == 1
    assert "${zone:queryparam}" not in found
    assert "&${provider:queryparam}&" in found
    assert found.endswith(
        'var-zone=${__data.fields["zone"]:percentencode}&var-cluster=${__field.labels.metric:percentencode}'
    )


def test_a_link_can_open_the_time_of_the_row_that_was_clicked() -> None:
    """A link with `span` has the row's time range, and not the viewer's."""
    found = to_dashboard(DashboardUid.TRACE, "Its life", span=("from_ms", "to_ms"))["url"]
    assert found.startswith(
        '/d/duckwatch-trace?from=${__data.fields["from_ms"]:percentencode}&to=${__data.fields["to_ms"]:percentencode}&'
    )
    assert "__url_time_range" not in found


def test_only_a_link_elsewhere_opens_a_new_tab() -> None:
    """A link to a dashboard opens in the same tab, and a link to another site in a new one."""
    assert to_dashboard(DashboardUid.QUEUE, "Queue")["targetBlank"] is False
    assert to_web("Lookup", "https://example.com/")["targetBlank"] is True


def test_the_bar_leads_to_all_others_in_their_order() -> None:
    """The bar links to each other dashboard in the order of `DashboardUid`, with time range and variables."""
    found = bar(DASHBOARDS, "duckwatch-reputation")
    assert [(link["url"], link["title"]) for link in found] == [
        ("/d/duckwatch-overview", "O"),
        ("/d/duckwatch-queue", "Q"),
    ]
    assert all(link["keepTime"] and link["includeVars"] for link in found)


def test_every_dashboard_has_the_bar() -> None:
    """Each dashboard links to each of the others once."""
    pages = build_all()
    for page in pages.values():
        others = {f"/d/{other['uid']}" for other in pages.values()} - {f"/d/{page['uid']}"}
        assert {link["url"] for link in page["links"]} == others
        assert len(page["links"]) == len(others)


@pytest.mark.parametrize("base", ["", "https://g.example/sub"])
def test_a_link_to_a_dashboard_that_is_not_built_is_left_out(base: str) -> None:
    """A link to a dashboard that is not built is removed; in Markdown its text remains."""
    links = [
        to_dashboard(DashboardUid.QUEUE, "Queue"),
        to_dashboard(DashboardUid.TRACE, "Trace"),
        to_web("W", "https://example.com/d/x"),
    ]
    links = [{**link, "url": base + link["url"] if link["url"].startswith("/") else link["url"]} for link in links]
    page = {
        "panels": [
            {
                "links": links,
                "text": f"{in_text(DashboardUid.QUEUE, 'q')}, {in_text(DashboardUid.TRACE, 't')} [w](https://w)",
            }
        ]
    }
    (panel,) = only_to(DASHBOARDS, page)["panels"]
    assert panel["links"] == [links[0], links[2]]
    assert panel["text"] == f"{in_text(DashboardUid.QUEUE, 'q')}, t [w](https://w)"


def test_no_dashboard_is_built_with_a_link_to_one_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is built alone has no link to a dashboard that does not exist."""
    alone = {"alone": lambda settings: dashboard(PAGE, every_row(), settings)}
    assert "/d/duckwatch-reputation" in json.dumps(alone["alone"](DEFAULTS))
    monkeypatch.setattr(generate, "DASHBOARDS", alone)
    text = json.dumps(build_all()["alone"])
    assert "/d/duckwatch-reputation" not in text
    assert "See the lists." in text
    assert "/d/duckwatch-overview?" in text


def test_uids_are_those_that_grafana_takes() -> None:
    """Each uid has at most 40 characters, and each dashboard's uid is one of `DashboardUid`."""
    assert all(len(uid.value) <= 40 for uid in DashboardUid)
    assert {page["uid"] for page in build_all().values()} <= {uid.value for uid in DashboardUid}
