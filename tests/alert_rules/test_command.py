"""`duckwatch-rules` as a person runs it: copies that Prometheus loads, and what is left to do in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from duckwatch.rules.__main__ import main
from duckwatch.rules.pack import RULES
from tests.alert_rules.rules import RULE_FILES, run

if TYPE_CHECKING:
    from pathlib import Path

HOUSE = (
    *("--runbook-url", "https://wiki.house.test/mail", "--grafana-url", "https://grafana.house.test"),
    *("--severity", "critical=page", "--label", "environment=production", "--job", 'collector=job="mail/collector"'),
    *("--faster", "20"),
)


@pytest.mark.servers
@pytest.mark.parametrize("options", [(), HOUSE], ids=["as shipped", "adapted"])
def test_prometheus_and_alertmanager_load_the_copies(
    promtool: Path, amtool: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Every file of the folder is one that promtool and amtool accept."""
    assert main(["build", "--output", str(tmp_path), *options]) == 0
    files = [tmp_path / path.relative_to(RULES) for path in RULE_FILES]
    assert run(promtool, "check", "rules", *files).returncode == 0
    assert run(promtool, "check", "config", tmp_path / "prometheus.yml").returncode == 0
    assert run(amtool, "check-config", tmp_path / "alertmanager.yml").returncode == 0


def test_a_file_that_needs_no_change_is_copied_with_its_comments(tmp_path: Path) -> None:
    """thresholds.yml, where people change numbers, keeps the reason beside each number."""
    assert main(["build", "--output", str(tmp_path), *HOUSE]) == 0
    assert (tmp_path / "thresholds.yml").read_bytes() == (RULES / "thresholds.yml").read_bytes()


def test_a_resource_of_the_operator_has_the_groups_of_its_file(tmp_path: Path) -> None:
    """Each rule file is a PrometheusRule with the namespace and the labels that were asked for."""
    options = ("--as", "prometheusrule", "--namespace", "monitoring", "--resource-label", "release=kps")
    assert main(["build", "--output", str(tmp_path), *options]) == 0
    assert len(list(tmp_path.iterdir())) == len(RULE_FILES)
    for path in RULE_FILES:
        relative = str(path.relative_to(RULES)).replace("/", "-")
        resource = yaml.safe_load((tmp_path / relative).read_text())
        assert (resource["apiVersion"], resource["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
        assert resource["metadata"]["namespace"] == "monitoring"
        assert resource["metadata"]["labels"]["release"] == "kps"
        assert resource["spec"] == yaml.safe_load(path.read_text())


@pytest.mark.parametrize(
    "option",
    [
        ("--namespace", "A B"),
        ("--namespace", "monitoring-"),
        ("--resource-label", "release=two words"),
        ("--resource-label", "re lease=kps"),
        ("--resource-label", "Example.com/release=kps"),
        ("--resource-label", "a/b/release=kps"),
        ("--resource-label", f"release={'k' * 64}"),
    ],
)
def test_what_kubernetes_would_refuse_is_refused(
    option: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A namespace or a label that no cluster takes ends the command, and nothing is written."""
    with pytest.raises(SystemExit):
        main(["build", "--output", str(tmp_path / "new"), "--as", "prometheusrule", *option])
    assert "Kubernetes" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    allowed = ("--namespace", "mail-1", "--resource-label", "example.com/release=kps_1.2")
    assert main(["build", "--output", str(tmp_path / "new"), "--as", "prometheusrule", *allowed]) == 0


def test_a_placeholder_that_was_left_in_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` exits with 1 and names file and line of each host that only an example has, else with 0."""
    assert main(["build", "--output", str(tmp_path), *HOUSE]) == 0
    capsys.readouterr()
    assert main(["check", str(tmp_path)]) == 1
    found = capsys.readouterr().out
    assert "alertmanager.yml:" in found
    assert "duckwatch.example" not in found
    for name in ("alertmanager.yml", "federation.yml"):
        (tmp_path / name).write_text((tmp_path / name).read_text().replace(".example", ".test"))
    assert main(["check", str(tmp_path)]) == 0


def without_examples(folder: Path) -> Path:
    """Return the folder of copies, without the files whose placeholders stay."""
    for name in ("alertmanager.yml", "federation.yml"):
        (folder / name).unlink(missing_ok=True)
    return folder


@pytest.mark.parametrize("left_out", ["reputation", "mta", "queue"])
def test_a_house_may_leave_out_alerts(tmp_path: Path, left_out: str) -> None:
    """A folder without a file of alerts, as the documentation asks for, is one in which nothing is left to do."""
    assert main(["build", "--output", str(tmp_path), *HOUSE]) == 0
    (tmp_path / "alerts" / f"{left_out}.yml").unlink()
    assert main(["check", str(without_examples(tmp_path))]) == 0


@pytest.mark.parametrize("form", ["files", "prometheusrule"])
@pytest.mark.parametrize(
    ("become", "told"),
    [
        ("dead_letters_warnings", "thresholds.yml lacks ['dead_letters_warning']; no rule compares with ['dead_let"),
        ("task_failures_warning", "thresholds.yml lacks ['dead_letters_warning']\n"),
    ],
    ids=["misspelt", "missing"],
)
def test_a_name_that_no_alert_knows_and_one_that_is_missing_are_refused(
    tmp_path: Path, form: str, become: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt line of a house's thresholds.yml is named, and so is the alerts' name that it leaves without one."""
    assert main(["build", "--output", str(tmp_path), "--as", form, *HOUSE]) == 0
    path = tmp_path / "thresholds.yml"
    path.write_text(path.read_text().replace("name: dead_letters_warning", f"name: {become}"))
    assert main(["check", str(without_examples(tmp_path))]) == 2
    assert told in capsys.readouterr().err


def test_resources_of_the_operator_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` reads PrometheusRules too: it names the line of a placeholder, and finds nothing in a house's own."""
    ours, shipped = str(tmp_path / "ours"), tmp_path / "shipped"
    assert main(["build", "--as", "prometheusrule", "--output", ours, *HOUSE]) == 0
    assert main(["check", ours]) == 0
    assert main(["build", "--as", "prometheusrule", "--output", str(shipped)]) == 0
    capsys.readouterr()
    assert main(["check", str(shipped)]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("alerts-queue.yml:")]
    number = int(lines[0].split(":")[1].split()[0])
    assert "runbooks.duckwatch.example" in (shipped / "alerts-queue.yml").read_text().splitlines()[number - 1]


def test_a_placeholder_of_many_lines_is_named_once_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rules built without `--runbook-url` name its host in each alert; `check` prints one line for each file."""
    assert main(["build", "--output", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(["check", str(tmp_path)]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if "runbooks.duckwatch.example" in line]
    files = [line.partition(":")[0] for line in lines]
    assert "alerts/pipeline.yml" in files
    assert len(files) == len(set(files))
    uses = (tmp_path / "alerts/pipeline.yml").read_text().count("runbooks.duckwatch.example")
    assert any(f"(and {uses - 1} more): runbooks.duckwatch.example" in line for line in lines)


def test_the_shipped_rules_are_up_to_date() -> None:
    """`duckwatch-rules check` finds nothing in the repository."""
    assert main(["check"]) == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--severity", "urgent=page"), "NAME of critical, warning, info"),
        (("--job", "grafana=x"), "NAME of dnsbl, collector, zonemta, wildduck"),
        (("--job", 'collector=job="mail'), "must be label matchers of PromQL"),
        (("--label", "environment"), "NAME=VALUE"),
        (("--label", "my-team=mail"), "the name of a label of Prometheus"),
        (("--label", "__name__=mail"), "the name of a label of Prometheus"),
        (("--label", "house=\udcff"), "text in UTF-8"),
        (("--faster", "0"), "a whole number from 1 to 1000"),
    ],
)
def test_a_wrong_option_is_explained(
    tmp_path: Path, options: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong option ends with code 2, a text that says what is right, and no file."""
    with pytest.raises(SystemExit) as ended:
        main(["build", "--output", str(tmp_path / "rules"), *options])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "rules").exists()


def test_a_label_of_ours_and_a_folder_without_rules_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A label that alerts have already, and a folder without rule files, end with code 2 and one line."""
    assert main(["build", "--output", str(tmp_path), "--label", "team=x"]) == 2
    assert main(["check", str(tmp_path / "nowhere")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "the label team" in lines[0]
    assert "thresholds.yml" in lines[1]


@pytest.mark.parametrize("text", ["", "groups: 7\n", "- a\n", "kind: ConfigMap\nspec: {}\n"])
def test_a_file_without_rules_is_refused(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file among the alerts that is no rule file ends `check` with code 2 and its path."""
    assert main(["build", "--output", str(tmp_path), *HOUSE]) == 0
    (tmp_path / "alerts" / "queue.yml").write_text(text)
    assert main(["check", str(tmp_path)]) == 2
    assert str(tmp_path / "alerts" / "queue.yml") in capsys.readouterr().err
