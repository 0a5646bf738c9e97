"""docker-compose.yml and deploy/compose/observe.yml: Compose accepts them, and everything that they name is real."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from collector.config import SettingsFiles
from examples import compose as generated
from exporters.dnsbl.planning.plan_loading import read_configuration
from tests.deploy.box import ROOT, Machine
from tests.deploy.dockerfile import read
from tests.servers.compose import Compose
from tests.servers.fixtures import need
from tests.servers.grafana import NO_PACKETS
from tests.servers.installed import command

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers

SCRIPT = ROOT / "deploy/compose/secrets.sh"
WAYS: Final = {"full": (), "demo": ("--profile", "demo"), "observe": ("--file", "deploy/compose/observe.yml")}
"""How each configuration is asked for: the words of the command line."""

MOUNTED: Final = Path("/mnt/file")
"""Where a file is mounted to be read, in a mount namespace of the test."""

VARIABLES = {
    # Images of Docker Hub: what their documentation names (docs/decisions.md, decision 75).
    "timescaledb": {"POSTGRES_PASSWORD_FILE", "TIMESCALEDB_TELEMETRY"},
    "mongo": {"MONGO_INITDB_ROOT_USERNAME", "MONGO_INITDB_ROOT_PASSWORD_FILE"},
    "grafana": {"GF_SECURITY_ADMIN_PASSWORD__FILE", "GF_USERS_ALLOW_SIGN_UP", *NO_PACKETS},
    "mailpit": {"MP_DISABLE_VERSION_CHECK", "MP_MAX_MESSAGES"},
    "demo": {"DEMO_MESSAGES_A_SECOND"},
}
"""The environment variables that each service may have."""

PORTS = {"grafana": 3000, "prometheus": 9090, "alertmanager": 9093, "mailpit": 8025}
"""The ports of programs that listen where their images say."""


@pytest.fixture(scope="module")
def compose() -> Compose:
    """Debian's docker-compose."""
    return need(Compose)


def config(compose: Compose, way: str, folder: str = "/nowhere") -> dict[str, Any]:
    """Return a configuration whose secrets are in a folder."""
    return compose.config(*WAYS[way], env={"DUCKWATCH_SECRETS": folder})


def services(compose: Compose, way: str) -> dict[str, dict[str, Any]]:
    """Return the services of a configuration."""
    found: dict[str, dict[str, Any]] = config(compose, way)["services"]
    return found


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders that secrets.sh made, one for each configuration."""
    if os.geteuid() != 0:
        pytest.skip("needs root: secrets belong to the containers' users")
    made = {}
    for way, word in (("full", "all"), ("observe", "observe")):
        folder = tmp_path_factory.mktemp(way) / "secrets"
        done = make_secrets(folder, word)
        assert done.returncode == 0, done.stderr
        made[way] = folder
    return made | {"demo": made["full"]}


def make_secrets(folder: Path, word: str = "all") -> subprocess.CompletedProcess[str]:
    """Run the script. The connection string that it asks for is on standard input."""
    environment = os.environ | {"DUCKWATCH_SECRETS": str(folder), "DUCKWATCH_ENV": str(folder.parent / "env")}
    dsn = "postgresql://duckwatch:x@db.example/duckwatch\n"
    return subprocess.run(
        [SCRIPT, word], env=environment, input=dsn, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("way", WAYS)
def test_compose_accepts_the_files_and_each_single_service(compose: Compose, way: str) -> None:
    """Compose refuses a service that needs one of an inactive profile."""
    names = services(compose, way)
    assert ("demo" in names) == (way == "demo")
    for name in names:
        done = compose.run(*WAYS[way], "config", "--quiet", name, env={"DUCKWATCH_SECRETS": "/nowhere"})
        assert (done.returncode, done.stderr) == (0, ""), name


def test_only_the_demo_has_a_profile(compose: Compose) -> None:
    """A service with a profile does not start by itself."""
    assert {name: one["profiles"] for name, one in services(compose, "demo").items() if "profiles" in one} == {
        "demo": ["demo"]
    }


@pytest.mark.parametrize(("way", "word"), [("full", ""), ("demo", ""), ("observe", " observe")])
def test_a_start_without_secrets_names_the_command_that_makes_them(compose: Compose, way: str, word: str) -> None:
    """Whichever secret Compose misses first, and for every command."""
    done = compose.run(*WAYS[way], "up", "--detach", env={})
    assert done.returncode != 0
    assert f"run `sudo deploy/compose/secrets.sh{word}` first" in done.stderr
    assert os.access(SCRIPT, os.X_OK)


def test_the_secrets_are_made_once(secrets: dict[str, Path], tmp_path: Path) -> None:
    """The script refuses a folder that exists, and changes nothing in it. No two secrets of a kind are the same."""
    folder = secrets["full"]
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    done = make_secrets(folder)
    assert done.returncode == 1
    assert "nothing was changed" in done.stderr
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
    other = tmp_path / "secrets"
    assert make_secrets(other).returncode == 0
    again = {file.read_bytes() for file in other.rglob("*") if file.is_file()}
    assert not again & set(before.values())
    passwords = [text for file, text in before.items() if file.parent.name in ("mongo", "timescaledb")]
    assert len(set(passwords)) == len(passwords)


def test_the_script_notes_the_folder_and_says_where_the_password_is(tmp_path: Path, secrets: dict[str, Path]) -> None:
    """`.env` is made from the example, or gets the line; nothing else in it changes. No secret is printed."""
    folder = tmp_path / "secrets"
    (tmp_path / "env").write_text("GRAFANA_PORT=3001\nDUCKWATCH_SECRETS=/old\n")
    done = make_secrets(folder)
    assert (tmp_path / "env").read_text() == f"GRAFANA_PORT=3001\nDUCKWATCH_SECRETS={folder}\n"
    assert f"{folder}/grafana/admin_password" in done.stdout
    assert not any(file.read_text().strip() in done.stdout for file in folder.rglob("*") if file.is_file())
    noted = (secrets["full"].parent / "env").read_text(encoding="utf-8")
    assert noted == (ROOT / ".env.example").read_text() + f"DUCKWATCH_SECRETS={secrets['full']}\n"


@pytest.mark.usefixtures("secrets")
def test_the_script_leaves_nothing_when_it_fails(tmp_path: Path) -> None:
    """Half of the secrets would look like all of them. Without root it says how to call it."""
    folder = tmp_path / "secrets"
    environment = os.environ | {"DUCKWATCH_SECRETS": str(folder), "DUCKWATCH_ENV": str(tmp_path / "env")}
    asked = [str(SCRIPT), "observe"]
    without = subprocess.run(
        asked, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert without.returncode == 1
    assert "no connection string" in without.stderr
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-s"]
    text = SCRIPT.read_text(encoding="utf-8")
    refused = subprocess.run(nobody, env=environment, cwd="/", input=text, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "sudo deploy/compose/secrets.sh" in refused.stderr
    assert not folder.exists()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A mount namespace, to read files as a container's user does, wherever they are on this machine."""
    made = need(lambda: Machine(tmp_path))
    try:
        made.run("mount", "-t", "tmpfs", "tmpfs", MOUNTED.parent)
        made.run("touch", MOUNTED)
        yield made
    finally:
        made.end()


def can_read(machine: Machine, file: Path, user: str) -> bool:
    """Return True if the user can read a file that is mounted."""
    machine.run("mount", "--bind", file, MOUNTED)
    uid, _, gid = user.partition(":")
    reading = machine.entering("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "cat", MOUNTED)
    done = subprocess.run(reading, capture_output=True, check=False, timeout=60)
    machine.run("umount", MOUNTED)
    return done.returncode == 0


@pytest.mark.parametrize("way", WAYS)
def test_each_secret_is_readable_by_its_container_alone(
    compose: Compose, secrets: dict[str, Path], machine: Machine, way: str
) -> None:
    """A file that is mounted keeps owner and mode. No secret is made that no container has."""
    found = config(compose, way, str(secrets[way]))
    files = {name: Path(one["file"]) for name, one in found["secrets"].items()}
    users = {one["user"] for one in found["services"].values()}
    used = set()
    for name, service in found["services"].items():
        for one in service.get("secrets", []):
            file = files[one["source"]]
            used.add(file)
            assert stat.S_IMODE(file.stat().st_mode) == 0o400, name
            assert can_read(machine, file, service["user"]), f"{name} cannot read {file}"
            others = users - {service["user"]}
            assert not any(can_read(machine, file, other) for other in others), f"{file} is readable by another"
    assert {file for file in secrets[way].rglob("*") if file.is_file()} == used


@pytest.mark.parametrize("way", WAYS)
def test_each_mounted_file_is_readable_by_the_containers_user(compose: Compose, machine: Machine, way: str) -> None:
    """Files of the repository are read-only in the container, and exist."""
    for name, service in services(compose, way).items():
        for mount in service.get("volumes", []):
            if mount["type"] == "bind":
                source = Path(mount["source"])
                assert mount["read_only"], name
                assert source.exists(), source
                files = [one for one in source.rglob("*") if one.is_file()] if source.is_dir() else [source]
                assert files
                assert all(can_read(machine, file, service["user"]) for file in files), f"{name}: {source}"


@pytest.mark.parametrize("way", WAYS)
def test_no_service_has_more_rights_than_it_needs(compose: Compose, way: str) -> None:
    """No root, no capability, a read-only root, limits for memory, processor, processes and logs."""
    for name, one in services(compose, way).items():
        uid, _, gid = one["user"].partition(":")
        assert (int(uid) > 0, gid.isdecimal()) == (True, True), name
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc", "userns_mode"} & one.keys(), name
        assert {"mem_limit", "cpus", "pids_limit", "logging"} <= one.keys(), name
        assert "docker.sock" not in str(one), name


@pytest.mark.parametrize("way", WAYS)
def test_each_image_is_pinned_and_each_tag_has_its_source(compose: Compose, way: str) -> None:
    """docs/decisions.md names the tag, and the page where it was seen. What we build has the project's version."""
    page = (ROOT / "docs/decisions.md").read_text(encoding="utf-8")
    sources = dict(re.findall(r"^- `(?:docker\.io/)?([^`]+:[^`]+)`:\n  (.+)$", page, re.MULTILINE))
    images = {one["image"] for one in services(compose, way).values() if "build" not in one}
    for file in ("duckwatch", "mta"):
        stages = read(ROOT / f"deploy/images/{file}/Dockerfile")
        images |= {stage.base for stage in stages.values()} - stages.keys()
    for image in images:
        assert re.search(r":v?\d+\.\d+\.\d+", image), image
        assert "http" in sources[image], image
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    built = {one["image"] for one in services(compose, way).values() if "build" in one}
    assert {image.partition(":")[2] for image in built} == {version[1]}


def test_prometheus_alertmanager_and_timescaledb_are_the_versions_that_the_tests_run(compose: Compose) -> None:
    """The tests run Debian 13's programs. Grafana's version is that of docs/dashboards.md, which was run."""
    images = {name: one["image"] for name, one in services(compose, "full").items()}
    for name, program in (("prometheus", "prometheus"), ("alertmanager", "prometheus-alertmanager")):
        done = subprocess.run([command(program), "--version"], capture_output=True, text=True, check=True)
        ran = re.search(r"version (\d+\.\d+\.\d+)", done.stdout + done.stderr)
        assert ran is not None
        assert images[name] == f"prom/{name}:v{ran[1]}"
    assert images["grafana"] == "grafana/grafana:10.1.2"


@pytest.mark.parametrize("way", WAYS)
def test_only_peoples_ports_are_published_on_loopback(compose: Compose, way: str) -> None:
    """Each is a port at which the service listens, by its configuration. Databases are in a network of their own."""
    found = config(compose, way)
    for name, service in found["services"].items():
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1", name
            assert port["target"] in listening(service, name), name
    for name in {"timescaledb", "mongo", "redis"} & found["services"].keys():
        assert "ports" not in found["services"][name]
        assert list(found["services"][name]["networks"]) == ["data"]
        assert found["networks"]["data"]["internal"] is True


def listening(service: dict[str, Any], name: str) -> set[int]:
    """Return the ports at which a service listens, from what configures it."""
    if name in ("collector", "dnsbl"):
        (mount,) = [one for one in service["volumes"] if one["target"] == "/etc/duckwatch.yml"]
        section = yaml.safe_load(Path(mount["source"]).read_text(encoding="utf-8"))[name]
        return {int(section["listen"].rpartition(":")[2])}
    if name in ("zonemta", "wildduck"):
        text = (ROOT / f"deploy/compose/{name}/{name}.js").read_text(encoding="utf-8")
        return {int(one) for one in re.findall(r"\bhost: '0\.0\.0\.0', port: (\d+)", text)}
    return {PORTS[name]}


def test_services_start_in_order_by_health(compose: Compose) -> None:
    """Every service but the one that ends has a health check, and what others wait for is healthy or done."""
    found = services(compose, "demo")
    assert {name for name, one in found.items() if "healthcheck" not in one} == {"grafana-token"}
    waited = {(other, wait["condition"]) for one in found.values() for other, wait in one.get("depends_on", {}).items()}
    assert {condition for other, condition in waited if other != "grafana-token"} == {"service_healthy"}
    assert ("grafana-token", "service_completed_successfully") in waited


@pytest.mark.parametrize("way", WAYS)
def test_each_variable_is_one_that_the_program_knows(compose: Compose, way: str) -> None:
    """Ours are configured by a file alone, so that nothing in the environment overrides it."""
    for name, one in services(compose, way).items():
        assert one.get("environment", {}).keys() <= VARIABLES.get(name, set()), name
    for variable, value in services(compose, "full")["grafana"]["environment"].items():
        assert NO_PACKETS.get(variable, value) == value


def test_env_example_explains_every_variable(compose: Compose) -> None:
    """The variables of the Compose files, no more and no fewer; with all of them at once both files are accepted."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    explained = dict(re.findall(r"^#(\w+)=(.*)$", text, re.MULTILINE))
    files = ("docker-compose.yml", "deploy/compose/observe.yml", "deploy/compose/common.yml")
    used = {name for file in files for name in re.findall(r"\$\{(\w+)", (ROOT / file).read_text(encoding="utf-8"))}
    assert explained.keys() == used
    for way in WAYS:
        defaults, given = config(compose, way), compose.config(*WAYS[way], env=explained)
        for name, one in given["services"].items():
            assert one.get("ports") == defaults["services"][name].get("ports")


def test_grafana_finds_what_its_provisioning_names(compose: Compose) -> None:
    """The data sources name services and ports, and the files name mounts, of docker-compose.yml."""
    found = services(compose, "full")
    grafana = found["grafana"]
    sources = (ROOT / "grafana/provisioning/datasources/duckwatch.yaml").read_text(encoding="utf-8")
    targets = {f"/run/secrets/{one['target']}" for one in grafana["secrets"]}
    assert set(re.findall(r"\$__file\{([^}]+)\}", sources)) <= targets
    hosts = [one["url"].removeprefix("http://") for one in yaml.safe_load(sources)["datasources"]]
    assert hosts == ["timescaledb:5432", "prometheus:9090", "alertmanager:9093"]
    assert {host.partition(":")[0] for host in hosts} <= found.keys()
    pages = yaml.safe_load((ROOT / "grafana/provisioning/dashboards/duckwatch.yaml").read_text(encoding="utf-8"))
    mounts = {one["target"]: one["source"] for one in grafana["volumes"]}
    assert mounts[pages["providers"][0]["options"]["path"]] == str(ROOT / "grafana/generated")
    live = yaml.safe_load((ROOT / "deploy/compose/duckwatch.yml").read_text(encoding="utf-8"))["collector"]["live"]
    assert live["url"] == "http://grafana:3000"
    assert f"--token-file={live['token_file']}" in found["grafana-token"]["command"]


@pytest.mark.parametrize("file", ["duckwatch.yml", "observe.duckwatch.yml"])
def test_the_configurations_are_good(file: str, tmp_path: Path, secrets: dict[str, Path]) -> None:
    """Both programs accept them, with the secrets of the script."""
    text = (ROOT / "deploy/compose" / file).read_text(encoding="utf-8")
    (tmp_path / "live").write_text("glsa_x\n")
    folder = secrets["full" if file == "duckwatch.yml" else "observe"] / "duckwatch"
    text = text.replace("/run/secrets", str(folder)).replace("/var/lib/duckwatch-live/token", str(tmp_path / "live"))
    config_file = tmp_path / "duckwatch.yml"
    config_file.write_text(text)
    settings = SettingsFiles(config_file, {}).load()
    assert settings.collector.auth.tokens[0].cluster == "default"
    assert read_configuration(config_file, {}).settings.collector is not None


def test_what_compose_takes_of_the_alert_rules_is_accepted(tmp_path: Path) -> None:
    """Prometheus and Alertmanager accept both files where they are mounted."""
    for file, build in generated.FILES.items():
        (tmp_path / file.name).write_text(build())
    for name in ("thresholds.yml", "alerts", "recording", "templates"):
        (tmp_path / name).symlink_to(ROOT / "alert-rules" / name)
    for words in (["promtool", "check", "config", "prometheus.yml"], ["amtool", "check-config", "alertmanager.yml"]):
        program = need(lambda name=words[0]: command(name))  # type: ignore[misc]
        done = subprocess.run([program, *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
