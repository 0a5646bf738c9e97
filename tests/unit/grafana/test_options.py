"""The options of `duckwatch-dashboards`: command line, environment and file set them in every dashboard."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from examples.generate import entries
from grafana.__main__ import main
from grafana.asked import questions
from grafana.config import GrafanaSettings
from grafana.generate import build_all
from grafana.pages import dashboard
from grafana.settings import Settings
from tests.unit.grafana.kinds import PAGE, every_row

ROOT = Path(__file__).parents[3]
EVERYTHING = ("--title-prefix", "Staging: ", "--tags", "mail", "--tags", "eu", "--time-zone", "Europe/Berlin")


def built(folder: Path, *options: str) -> dict[str, dict[str, Any]]:
    """Run `build` with these options and return its dashboards by file name."""
    assert main(["build", "--output", str(folder / "out"), *options]) == 0
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in (folder / "out").iterdir()}


def expressions(pages: dict[str, dict[str, Any]]) -> list[str]:
    return [question.text for question in questions(pages) if question.language.value == "promql"]


def test_titles_tags_and_time_zone_are_the_sites(tmp_path: Path) -> None:
    """Title prefix, tags and time zone are in every dashboard, the prefix also in links; uids do not change."""
    plain = build_all()
    for name, page in built(tmp_path, *EVERYTHING).items():
        own = plain[name.removesuffix(".json")]
        assert page["title"] == f"Staging: {own['title']}"
        assert page["tags"] == ["mail", "eu"]
        assert page["timezone"] == "Europe/Berlin"
        assert page["uid"] == own["uid"]
        assert all(link["title"].startswith("Staging: ") for link in page["links"])


def test_job_selectors_are_on_each_metric_of_the_program(tmp_path: Path) -> None:
    """Each metric of the program has the matchers, also in a variable's query, and other metrics do not."""
    found = expressions(built(tmp_path, "--jobs", 'collector=job="c"'))
    ours = [text for text in found if re.search(r"(?<![\w:])duckwatch_(?!dnsbl)", text)]
    assert ours
    assert all(re.search(r'duckwatch_\w+\{job="c"[,}]', text) for text in ours)
    assert not any('job="c"' in text for text in found if text not in ours)
    page = dashboard(PAGE, every_row(), Settings(jobs={"collector": 'job="c"'}))
    (host,) = [variable for variable in page["templating"]["list"] if variable["name"] == "host"]
    assert host["query"] == 'label_values(duckwatch_plugin_last_seen_timestamp_seconds{job="c"}, host)'


def test_a_data_source_that_is_fixed_by_its_uid_is_no_choice(tmp_path: Path) -> None:
    """A dashboard uses the uid, has no variable for the data source, and no link carries that variable."""
    pages = built(tmp_path, "--datasources", "timescale=db-1")
    pages["every kind"] = dashboard(PAGE, every_row(), Settings(datasources={"timescale": "db-1"}))
    for page in pages.values():
        assert "timescale" not in {variable["name"] for variable in page["templating"]["list"]}
        assert "${timescale" not in json.dumps(page)
        assert "${prometheus}" in json.dumps(page)
        asks_sql = "cluster" in {variable["name"] for variable in page["templating"]["list"]}
        assert ('{"type": "postgres", "uid": "db-1"}' in json.dumps(page)) == asks_sql


def test_a_data_source_that_is_fixed_by_its_name_is_a_hidden_choice_of_one(tmp_path: Path) -> None:
    """The variable is hidden, and its regular expression matches this name only."""
    for page in built(tmp_path, "--datasources", "prometheus=name:Prometheus (EU)").values():
        (source,) = [variable for variable in page["templating"]["list"] if variable["name"] == "prometheus"]
        assert source["hide"] == 2
        pattern = source["regex"].strip("/")
        assert re.search(pattern, "Prometheus (EU)")
        assert not re.search(pattern, "Prometheus (EU) 2")
        assert not re.search(pattern, "Prometheus EU")
        assert "${prometheus}" in json.dumps(page)


def test_links_begin_with_the_url_of_grafana() -> None:
    """Every link to a dashboard begins with the URL of Grafana, and links to other sites do not change."""
    page = dashboard(PAGE, every_row(), Settings(grafana_url="https://g.example/sub"))
    text = json.dumps(page)
    assert re.findall(r"(?<!https://g.example/sub)/d/duckwatch-", text) == []
    assert "(https://g.example/sub/d/duckwatch-reputation?" in text
    assert "https://example.com/" in text
    bars = [
        link["url"] for one in build_all(Settings(grafana_url="https://g.example")).values() for link in one["links"]
    ]
    assert all(url.startswith("https://g.example/d/") for url in bars)


def test_the_runbook_is_the_sites() -> None:
    """The runbook's URL is the site's, with the section of an alert as in the alert rules."""
    rules = (ROOT / "alert-rules" / "alerts" / "pipeline.yml").read_text(encoding="utf-8")
    assert Settings().runbook("DuckwatchCollectorDown") in rules
    assert Settings(runbook_url="https://w.example/r").runbook("DuckwatchX") == "https://w.example/r#duckwatchx"
    assert Settings(runbook_url="https://w.example/r").runbook() == "https://w.example/r"


def test_an_option_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option overrides the environment, which overrides the file; a wrong section of another program is ignored."""
    path = tmp_path / "duckwatch.yml"
    path.write_text(yaml.safe_dump({"grafana": {"title_prefix": "f", "tags": ["f"], "time_zone": "utc"}, "dnsbl": 5}))
    monkeypatch.setenv("DUCKWATCH_GRAFANA__TITLE_PREFIX", "e ")
    monkeypatch.setenv("DUCKWATCH_GRAFANA__TAGS", '["e"]')
    page = built(tmp_path, "--config", str(path), "--tags", "o")["overview.json"]
    assert (page["title"][:2], page["tags"], page["timezone"]) == ("e ", ["o"], "utc")


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--time-zone", "Mars"), "grafana.time_zone: must be browser, utc, or a time zone"),
        (("--jobs", "collector=c"), "grafana.jobs.collector: must be label matchers"),
        (("--jobs", 'collector=a="b"} or up{c="d"'), "grafana.jobs.collector: must be label matchers"),
        (("--jobs", 'nobody=a="b"'), "grafana.jobs.nobody: is not a known key"),
        (("--datasources", "timescale=a b"), "grafana.datasources.timescale: must be the uid"),
        (("--datasources", "timescale=name: "), "grafana.datasources.timescale: must be the uid"),
        (("--url", "grafana.example"), "grafana.url: must be a URL"),
        (("--url", "https://me:secret@g.example"), "grafana.url: must be a URL"),
        (("--url", "https://g.example/?x"), "grafana.url: must be a URL"),
        (("--folder", "a/b"), "grafana.folder: must be the title of a folder"),
        (("--namespace", "A"), "grafana.namespace: must be the name"),
        (("--labels", "a b=c"), "grafana.labels: must be labels"),
        (("--tags", ""), "grafana.tags.0: must have 1 to 50 characters"),
    ],
)
def test_a_wrong_option_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], fault: str
) -> None:
    """`build` returns 2, names the key, shows no secret, and writes nothing."""
    assert main(["build", "--output", str(tmp_path / "out"), *options]) == 2
    err = capsys.readouterr().err
    assert err.startswith(fault)
    assert "secret" not in err
    assert not (tmp_path / "out").exists()


def test_what_is_no_pair_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    """An option without `=` exits with 2 and says that it must be NAME=VALUE."""
    with pytest.raises(SystemExit, match="2"):
        main(["check", "--jobs", "collector"])
    assert "must be NAME=VALUE" in capsys.readouterr().err


def test_a_folder_is_checked_with_the_options_that_it_was_built_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`check` finds no difference with the options of the build, and differing titles without them."""
    built(tmp_path, *EVERYTHING)
    where = ("check", "--directory", str(tmp_path / "out"))
    assert main([*where, *EVERYTHING]) == 0
    capsys.readouterr()
    assert main(where) == 1
    assert 'overview.json: title: "Staging: ' in capsys.readouterr().out


def keys_of(model: type[BaseModel], prefix: str) -> dict[str, str]:
    """Return every key of the model with its default, in the form of the page."""
    found: dict[str, str] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= keys_of(field.annotation, f"{prefix}.{name}")
            continue
        default = field.get_default(call_default_factory=True)
        plain = isinstance(default, str) and default
        found[f"{prefix}.{name}"] = f"`{default if plain else json.dumps(default)}`"
    return found


def test_the_reference_lists_every_key() -> None:
    """docs/configuration.md has an entry for every key of the section `grafana`, with its default, and for no other."""
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    found = [one for one in entries(page) if one.key.startswith("grafana.")]
    assert {one.key: one.default for one in found} == keys_of(GrafanaSettings, "grafana")
    assert all(one.text for one in found)
