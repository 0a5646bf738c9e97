"""The Kubernetes manifests: rendered by kustomize, held against schemas, and against what our programs know."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from collector import arguments as collector
from collector.config.model import Settings as CollectorSettings
from duckwatch.base.config.secret_files import named_secret_files
from exporters.dnsbl import __main__ as dnsbl
from exporters.dnsbl.config.model import Settings as DnsblSettings
from grafana.config import GrafanaSettings
from grafana.generate import build_all
from grafana.kubernetes import SIDECAR_LABEL, config_map
from release.commands import ROOT, run
from tests import canaries
from tests.alert_rules.rules import RULE_FILES
from tests.docs import blocks
from tests.servers.fixtures import need
from tests.servers.installed import command, kubernetes, node
from tests.servers.process import Process, free_port, listens

pytestmark = pytest.mark.servers

OVERLAYS = sorted(path.name for path in (ROOT / "deploy" / "kubernetes" / "overlays").iterdir())
STACK = "kube-prometheus-stack"
SCHEMAS = Path(__file__).with_name("schemas.mjs")
CONFIG, SECRETS = "/etc/duckwatch/duckwatch.yml", "/run/secrets/duckwatch"
PROGRAMS = {"duckwatch-collector": collector.parser(), "duckwatch-dnsbl": dnsbl.parser()}
SETTINGS: dict[str, type[CollectorSettings | DnsblSettings]] = {
    "duckwatch-collector": CollectorSettings,
    "duckwatch-dnsbl": DnsblSettings,
}
ANNOTATION_BYTES = 262_144
"""`kubectl apply` keeps a copy of each object in an annotation of at most this size."""

Object = dict[str, Any]


@pytest.fixture(scope="module")
def rendered() -> dict[str, list[Object]]:
    """Return the objects of each overlay."""
    kustomize = need(lambda: command("kustomize"))
    folder = ROOT / "deploy" / "kubernetes" / "overlays"
    return {name: list(yaml.safe_load_all(run(kustomize, "build", folder / name))) for name in OVERLAYS}


@pytest.fixture(scope="module")
def objects(rendered: dict[str, list[Object]]) -> list[Object]:
    """Return the objects of the overlay that has all of them."""
    return rendered[STACK]


def of_kind(objects: list[Object], *kinds: str) -> dict[str, Object]:
    """Return the objects of these kinds by their name."""
    return {one["metadata"]["name"]: one for one in objects if one["kind"] in kinds}


def faults(objects: list[Object]) -> list[str]:
    """Return what the schemas say against objects."""
    words = [str(need(node)), str(SCHEMAS), str(need(kubernetes))]
    ended = subprocess.run(
        words, input=json.dumps(objects, default=str), capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    found: list[str] = json.loads(ended.stdout)
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_schemas_find_no_fault(rendered: dict[str, list[Object]], overlay: str) -> None:
    """Each object is valid, and has no field that its kind does not have."""
    assert faults(rendered[overlay]) == []


def test_the_schemas_would_find_a_fault(objects: list[Object]) -> None:
    """A wrong type, a missing field and an unknown field are found, in objects of Kubernetes and of the operator."""
    stateful = of_kind(objects, "StatefulSet")["duckwatch-collector"]
    wrong = {**stateful, "spec": {**stateful["spec"], "serviceName": 5}}
    unknown = {**stateful, "spec": {**stateful["spec"], "replica": 1}}
    monitor = {**of_kind(objects, "ServiceMonitor")["duckwatch-dnsbl"], "spec": {"endpoint": []}}
    found = faults([wrong, unknown, monitor])
    assert any("serviceName" in fault for fault in found)
    assert any("'\"replica\"' does not exist" in fault for fault in found)
    assert any("'\"endpoint\"' does not exist" in fault for fault in found)
    assert any("required" in fault for fault in found)


def test_everything_is_in_the_namespace_whose_pods_are_restricted(rendered: dict[str, list[Object]]) -> None:
    """The overlays' own namespace refuses pods that may do more than these."""
    for one in rendered.values():
        (namespace,) = of_kind(one, "Namespace").values()
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        placed = {obj["metadata"].get("namespace") for obj in one if obj["kind"] != "Namespace"}
        assert placed == {namespace["metadata"]["name"]}


def workloads(objects: list[Object]) -> dict[str, Object]:
    """Return the pod templates' specifications by the name of their workload."""
    return {
        name: one["spec"]["template"]["spec"] for name, one in of_kind(objects, "StatefulSet", "Deployment").items()
    }


def test_the_pods_are_restricted(objects: list[Object]) -> None:
    """They meet the pod security standard `restricted`, write nowhere but to the journal, and get no token."""
    assert set(workloads(objects)) == set(PROGRAMS)
    for spec in workloads(objects).values():
        security = spec["securityContext"]
        assert (security["runAsNonRoot"], security["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
        assert spec["automountServiceAccountToken"] is False
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            assert ":" in container["image"]
            assert not container["image"].endswith(":latest")
            writable = {one["name"] for one in container["volumeMounts"] if not one.get("readOnly")}
            assert writable <= {"journal"}


def test_the_programs_take_their_commands(objects: list[Object]) -> None:
    """Each command is one of the image's program, with the mounted configuration, which names mounted secrets."""
    for name, spec in workloads(objects).items():
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            program, *words = container["command"]
            assert program == name
            assert str(PROGRAMS[program].parse_args(words).config) == CONFIG
        assert {
            path.parent for path in named_secret_files(yaml.safe_load(configured(objects, name)), SETTINGS[name])
        } <= {Path(SECRETS)}


def configured(objects: list[Object], name: str) -> str:
    """Return the configuration that a workload mounts."""
    volumes = {one["name"]: one for one in workloads(objects)[name]["volumes"]}
    data = of_kind(objects, "ConfigMap")[volumes["config"]["configMap"]["name"]]["data"]
    return str(data[Path(CONFIG).name])


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_probes_are_answered(objects: list[Object], name: str, tmp_path: Path) -> None:
    """With the mounted configuration the program listens at the container's port, and answers each probe."""
    (container,) = workloads(objects)[name]["containers"]
    (listed,) = container["ports"]
    port = free_port()
    text = configured(objects, name).replace(f'"[::]:{listed["containerPort"]}"', f"127.0.0.1:{port}")
    assert str(port) in text
    for outside, inside in ((SECRETS, tmp_path), ("/var/lib/duckwatch", tmp_path), ("unbound:53", "127.0.0.1:9")):
        text = text.replace(outside, str(inside))
    text = text.replace("mail.example.com", "192.0.2.99")
    (tmp_path / "dsn").write_text("postgresql://nobody@127.0.0.1:9/nothing", encoding="utf-8")
    (tmp_path / "token").write_text(canaries.TOKEN, encoding="utf-8")
    (tmp_path / "duckwatch.yml").write_text(text, encoding="utf-8")
    words = [tmp_path / "duckwatch.yml" if word == CONFIG else word for word in container["command"][1:]]
    log = tmp_path / "log"
    canaries.watch(log)
    process = Process(name, [Path(sys.executable).parent / name, *words], log)
    try:
        process.wait_ready(lambda: listens(port))
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container[probe]["httpGet"]
            assert asked["port"] == listed["name"]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{asked['path']}", timeout=30) as answer:
                assert answer.status == 200
    finally:
        process.stop()


def test_the_journal_fits_into_its_volume(objects: list[Object]) -> None:
    """The limit of the journal leaves room on the volume, which is kept when the pod goes."""
    (claim,) = of_kind(objects, "StatefulSet")["duckwatch-collector"]["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "16Gi"
    text = (ROOT / "deploy/kubernetes/base/collector/duckwatch.yml").read_text(encoding="utf-8")
    assert "max_bytes: 12GiB" in text


def test_the_services_lead_to_the_pods(objects: list[Object]) -> None:
    """Each service, monitor and policy selects a workload, and names one of its ports."""
    pods = {
        name: one["spec"]["template"]["metadata"]["labels"]
        for name, one in of_kind(objects, "StatefulSet", "Deployment").items()
    }
    services = of_kind(objects, "Service")
    for one in services.values():
        assert len([name for name, labels in pods.items() if one["spec"]["selector"].items() <= labels.items()]) == 1
        assert one["spec"]["ports"][0]["targetPort"] == "http"
    for name, monitor in of_kind(objects, "ServiceMonitor").items():
        labels, (endpoint,) = monitor["spec"]["selector"]["matchLabels"], monitor["spec"]["endpoints"]
        scraped = [
            service["metadata"]["name"]
            for service in services.values()
            if labels.items() <= service["metadata"]["labels"].items()
            and endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
        ]
        assert scraped == [name]
    for name, policy in of_kind(objects, "NetworkPolicy").items():
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= pods[name].items()


def test_the_page_names_each_service_that_the_configuration_expects(objects: list[Object]) -> None:
    """The exporter's resolvers are services of the cluster that no manifest brings."""
    resolvers = yaml.safe_load(configured(objects, "duckwatch-dnsbl"))["dnsbl"]["resolvers"]
    page = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    hosts = {one.partition(":")[0] for one in resolvers} - of_kind(objects, "Service").keys()
    assert hosts
    assert [host for host in hosts if f"a Service `{host}`" not in page] == []


def test_the_collector_may_connect_to_what_doctor_asks(objects: list[Object]) -> None:
    """The network policy allows the ports of the page's example, in the namespace of the page's example."""
    (settings,) = (block.text for block in blocks.of("yaml") if "alertmanager: http" in block.text)
    asked = [urlsplit(url) for url in yaml.safe_load(settings)["collector"]["doctor"].values()]
    allowed = {
        (to["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port["port"])
        for rule in of_kind(objects, "NetworkPolicy")["duckwatch-collector"]["spec"]["egress"]
        for to in rule.get("to", [])
        for port in rule["ports"]
    }
    assert {(str(one.hostname).partition(".")[2], one.port) for one in asked} == allowed


def test_a_command_that_the_documents_run_in_the_pod_names_its_configuration() -> None:
    """The file is elsewhere than on a host, so a command with the host's path would find nothing."""
    pages = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    commands = re.findall(r"exec\s+statefulset/duckwatch-collector\s+--([^`]*)`", pages)
    assert len(commands) > 1
    wanted = re.compile(rf"[\s\\]*duckwatch-collector\s+--config\s+{CONFIG}\s")
    assert [command for command in commands if not wanted.match(f"{command} ")] == []


def test_the_jobs_are_those_of_the_example_and_promtool_reads_the_rules(objects: list[Object], tmp_path: Path) -> None:
    """A monitor's job is its service's name. The rules would work with any, but a person looks for these."""
    example = yaml.safe_load((ROOT / "alert-rules" / "prometheus.yml").read_text(encoding="utf-8"))
    assert set(of_kind(objects, "ServiceMonitor")) == {job["job_name"] for job in example["scrape_configs"]}
    rules = of_kind(objects, "PrometheusRule")
    assert len(rules) == len(RULE_FILES)
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [group for one in rules.values() for group in one["spec"]["groups"]]}))
    assert "SUCCESS" in run(need(lambda: command("promtool")), "check", "rules", file)


def test_kube_prometheus_stack_finds_every_monitor_and_rule(objects: list[Object]) -> None:
    """Each has the label of the Helm release, without which it is passed over."""
    found = of_kind(objects, "ServiceMonitor", "PrometheusRule")
    assert set(of_kind(objects, "ServiceMonitor")) < set(found)
    assert {one["metadata"]["labels"].get("release") for one in found.values()} == {STACK}


def test_each_dashboard_is_a_config_map_of_the_sidecar(objects: list[Object]) -> None:
    """They are what `duckwatch-dashboards build --as configmap` writes, and small enough for `kubectl apply`."""
    maps = of_kind(objects, "ConfigMap")
    written = [yaml.safe_load(config_map(page, GrafanaSettings())) for page in build_all().values()]
    assert {
        name for name, one in maps.items() if SIDECAR_LABEL.items() <= one["metadata"].get("labels", {}).items()
    } == {one["metadata"]["name"] for one in written}
    for one in written:
        found = maps[one["metadata"]["name"]]
        assert found["data"] == one["data"]
        assert one["metadata"]["labels"].items() <= found["metadata"]["labels"].items()
        assert found["metadata"]["annotations"] == one["metadata"]["annotations"]
        assert len(json.dumps(found).encode()) < ANNOTATION_BYTES


def test_the_exporter_alone_has_nothing_of_the_collector(rendered: dict[str, list[Object]]) -> None:
    """Its overlay needs no operator, no secret and no volume."""
    found = rendered["dnsbl-alone"]
    assert {one["kind"] for one in found} == {"Namespace", "ConfigMap", "Service", "Deployment", "NetworkPolicy"}
    assert "duckwatch-collector" not in json.dumps(found)
