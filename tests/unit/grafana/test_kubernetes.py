"""Dashboards as objects of Kubernetes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from grafana.__main__ import main
from grafana.config import GrafanaSettings
from grafana.generate import build_all
from grafana.kubernetes import config_map

if TYPE_CHECKING:
    from pathlib import Path

CONFIG_MAP_LIMIT = 1024 * 1024
"""The most bytes of data that Kubernetes accepts in a ConfigMap."""

OPERATOR_SPEC = {"instanceSelector", "folder", "json"}
"""Keys of GrafanaDashboardSpec, v1beta1 (grafana-operator, config/crd/bases)."""


def objects(folder: Path, form: str, *options: str) -> dict[str, dict[str, Any]]:
    """Run `build` and return the objects that it writes, by file name."""
    assert main(["build", "--as", form, "--output", str(folder / form), *options]) == 0
    return {path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in (folder / form).iterdir()}


def test_there_is_one_config_map_a_dashboard(tmp_path: Path) -> None:
    """Each dashboard is in a ConfigMap below the size limit, with the sidecar's label and the folder's annotation."""
    found = objects(tmp_path, "configmap")
    pages = {page["uid"]: page for page in build_all().values()}
    assert set(found) == {f"{uid}.yaml" for uid in pages}
    for uid, page in pages.items():
        one = found[f"{uid}.yaml"]
        assert (one["apiVersion"], one["kind"], one["metadata"]["name"]) == ("v1", "ConfigMap", uid)
        assert one["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert one["metadata"]["annotations"] == {"grafana_folder": "Mail"}
        assert "namespace" not in one["metadata"]
        assert {name: json.loads(text) for name, text in one["data"].items()} == {f"{uid}.json": page}
        assert len(one["data"][f"{uid}.json"].encode()) < CONFIG_MAP_LIMIT


def test_there_is_one_resource_of_the_operator_a_dashboard(tmp_path: Path) -> None:
    """Each dashboard is in a GrafanaDashboard that selects instances by the labels of the settings."""
    found = objects(tmp_path, "operator", "--instances", "team=mail")
    for page in build_all().values():
        one = found[f"{page['uid']}.yaml"]
        assert (one["apiVersion"], one["kind"]) == ("grafana.integreatly.org/v1beta1", "GrafanaDashboard")
        assert set(one["spec"]) == OPERATOR_SPEC
        assert one["spec"]["instanceSelector"] == {"matchLabels": {"team": "mail"}}
        assert one["spec"]["folder"] == "Mail"
        assert json.loads(one["spec"]["json"]) == page


@pytest.mark.parametrize("form", ["configmap", "operator"])
def test_options_reach_the_objects(tmp_path: Path, form: str) -> None:
    """Namespace, labels, folder and title prefix are in each object."""
    options = ("--namespace", "mon", "--labels", "team=mail", "--folder", "Post & Mail", "--title-prefix", "S: ")
    for one in objects(tmp_path, form, *options).values():
        assert one["metadata"]["namespace"] == "mon"
        assert one["metadata"]["labels"]["team"] == "mail"
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", one["metadata"]["name"])
        assert "Post & Mail" in (one.get("spec", {}).get("folder"), *one["metadata"].get("annotations", {}).values())
        text = one["spec"]["json"] if form == "operator" else next(iter(one["data"].values()))
        assert json.loads(text)["title"].startswith("S: ")


@pytest.mark.parametrize("form", ["configmap", "operator"])
def test_the_same_bytes_each_time(tmp_path: Path, form: str) -> None:
    """Two builds write the same bytes."""
    for folder in ("one", "two"):
        objects(tmp_path / folder, form)
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name / form).iterdir()} for name in ("one", "two")
    )
    assert one == two


def test_the_json_is_a_block_of_lines() -> None:
    """The YAML holds the JSON as a block of lines, with letters outside ASCII unescaped."""
    text = config_map({"uid": "u", "title": "Zürich"}, GrafanaSettings())
    assert '  u.json: |\n    {\n      "title": "Zürich",\n      "uid": "u"\n    }\n' in text


def test_objects_need_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    """`build --as configmap` without `--output` exits with 2."""
    with pytest.raises(SystemExit, match="2"):
        main(["build", "--as", "configmap"])
    assert "--as configmap needs --output" in capsys.readouterr().err
