"""How to read a block that is no command: by the program that a reader gives it to."""

from __future__ import annotations

import ast
import builtins
import importlib
import json
import pkgutil
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from collector.config.model import Settings as CollectorSettings
from collector.routes import ROUTES
from duckwatch.base.config.loading import load
from exporters.dnsbl.config.model import Settings as DnsblSettings
from grafana import dashboards
from grafana.config import DashboardDocument
from tests import canaries
from tests.deploy.test_kubernetes import configured
from tests.docs.blocks import ROOT
from tests.servers.compose import Compose
from tests.servers.fixtures import need
from tests.servers.installed import command, node, zonemta

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROGRAMS: Final[Mapping[str, Any]] = {
    "collector": CollectorSettings,
    "dnsbl": DnsblSettings,
    "grafana": DashboardDocument,
}
"""The sections of our YAML file, and the settings of the program that reads each."""

SECRETS: Final = {
    "dsn_file": "postgresql://duckwatch@127.0.0.1/duckwatch",
    "key_file": "a0b1c2",
    "uri_file": "mongodb://127.0.0.1/?replicaSet=rs0",
}
"""What a file of this key holds; all others hold a token."""

NAMED_FILE: Final = re.compile(r"\b(\w+_file|certificate|key): (/[\w./-]+)")
TLS: Final = ROOT / "tests" / "fixtures" / "tls"


def rule_file(path: str) -> Path:
    """Return the shipped file, or files by a pattern, that a reader has installed at a path of `rule_files`."""
    shipped = ROOT / "alert-rules"
    own = shipped / Path(path).relative_to("/etc/prometheus/duckwatch")
    found = list(shipped.rglob(own.name) if "*" not in own.name else own.parent.glob(own.name))
    assert found, f"no shipped rules are at {path}"
    return own if "*" in own.name else found[0]


def with_files(text: str, folder: Path) -> str:
    """Return a configuration whose secrets and certificates are files that exist."""

    def make(found: re.Match[str]) -> str:
        key, path = found[1], folder / found[2].lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if key in ("certificate", "key"):
            shutil.copy(TLS / ("one.pem" if key == "certificate" else "one.key"), path)
        else:
            path.write_text(f"{SECRETS.get(key, canaries.TOKEN + path.name)}\n", encoding="utf-8")
        return f"{key}: {path}"

    return NAMED_FILE.sub(make, text)


def read_settings(text: str, folder: Path) -> None:
    """Load our YAML file as the program of each of its sections does. A fault, or an unknown key, is an error."""
    path = folder / "duckwatch.yml"
    path.write_text(with_files(text, folder), encoding="utf-8")
    for section in yaml.safe_load(text):
        assert load(PROGRAMS[section], path, {}).settings


def read_prometheus(text: str, folder: Path) -> None:
    """Let promtool check a part of prometheus.yml, with the rule files that it names."""
    document = yaml.safe_load(text)
    document["rule_files"] = [str(rule_file(path)) for path in document.get("rule_files", [])]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    run(need(lambda: command("promtool")), "check", "config", folder / "prometheus.yml")


def read_alertmanager(text: str, folder: Path) -> None:
    """Let amtool check a part of alertmanager.yml, with the mail server that it takes for given, and our templates."""
    settings = {"global": {"smtp_smarthost": "smtp.example:25", "smtp_from": "alerts@mail.example"}}
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(settings | yaml.safe_load(text)), encoding="utf-8")
    shutil.copytree(ROOT / "alert-rules" / "templates", folder / "templates")
    run(need(lambda: command("amtool")), "check-config", folder / "alertmanager.yml")


def read_rules(text: str, folder: Path) -> None:
    """Let promtool check lines of a file of rules."""
    path = folder / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "docs", "rules": yaml.safe_load(text)}]}), encoding="utf-8")
    run(need(lambda: command("promtool")), "check", "rules", path)


def read_compose(text: str, folder: Path) -> None:
    """Let Compose lay a file over deploy/compose/observe.yml, with each secret that it adds given to a service."""
    path = folder / "more.yml"
    path.write_text(text, encoding="utf-8")
    words = ("--file", "deploy/compose/observe.yml", "--file", str(path))
    whole = need(Compose).config(*words, env={"DUCKWATCH_SECRETS": str(folder)})
    for name in yaml.safe_load(text).get("secrets", {}):
        assert name in {secret["source"] for secret in whole["services"]["collector"]["secrets"]}


def read_overlay(text: str, folder: Path) -> None:
    """Add lines to a copy of an overlay of Kubernetes: another file takes the place of the shipped configuration."""
    shutil.copytree(ROOT / "deploy" / "kubernetes", folder / "deploy" / "kubernetes")
    overlays = folder / "deploy" / "kubernetes" / "overlays"
    own = shutil.copytree(overlays / "plain", overlays / "production")
    with (own / "kustomization.yaml").open("a", encoding="utf-8") as file:
        file.write(text)
    (own / "duckwatch.yml").write_text("collector: {listen: '[::]:9999'}\n", encoding="utf-8")
    objects = list(yaml.safe_load_all(run(need(lambda: command("kustomize")), "build", own)))
    assert "9999" in configured(objects, "duckwatch-collector")


YAML: Final[Mapping[str, Callable[[str, Path], None]]] = {
    **dict.fromkeys(PROGRAMS, read_settings),
    "scrape_configs": read_prometheus,
    "configMapGenerator": read_overlay,
    "record": read_rules,
    "services": read_compose,
    "receivers": read_alertmanager,
}
"""How to read a YAML block that has this key at its top, or in its first item."""


def read_yaml(text: str, folder: Path) -> None:
    """Read YAML as the program that knows its keys."""
    document = yaml.safe_load(text)
    keys = set(document[0] if isinstance(document, list) else document)
    readers = {YAML[key] for key in keys if key in YAML}
    assert len(readers) == 1, f"no program reads the keys {keys}"
    readers.pop()(text, folder)


def read_json(text: str, folder: Path) -> None:
    """Parse JSON: one document, or one a line. A string may be broken into two lines, as the page is 120 wide."""
    decoder = json.JSONDecoder(strict=False)
    rest = text.strip()
    while rest:
        found, end = decoder.raw_decode(rest)
        assert isinstance(found, dict)
        rest = rest[end:].strip()


def read_toml(text: str, folder: Path) -> None:
    """Parse TOML with the library of ZoneMTA, whose file it is. A URL of ours has a route that exists."""
    code = "process.stdout.write(JSON.stringify(require('toml').parse(require('fs').readFileSync(0, 'utf8'))))"
    words = (need(node), "-e", code)
    found = json.loads(run(*words, given=text, cwd=need(zonemta)))
    assert found == tomllib.loads(text)
    for section in found.values():
        url = section.get("url", "/api/events/ingest")
        assert "/api/" + url.partition("/api/")[2] in ROUTES
        assert section.get("gelf", section)["enabled"]


def read_env(text: str, folder: Path) -> None:
    """Let Compose read a `.env` for deploy/compose/observe.yml; each of its variables is one of .env.example."""
    (folder / ".env").write_text(f"{text}DUCKWATCH_SECRETS={folder}\n", encoding="utf-8")
    words = ("--env-file", str(folder / ".env"), "--file", "deploy/compose/observe.yml")
    whole = json.dumps(need(Compose).config(*words, env={}))
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    for name, value in (line.split("=") for line in text.splitlines()):
        assert value in whole
        assert re.search(rf"^#? ?{name}=", example, re.MULTILINE)


def read_python(text: str, folder: Path) -> None:
    """Compile a part of a dashboard's module: each name that it uses is its own, or one of the dashboards' modules."""
    known = set(vars(builtins))
    for found in pkgutil.walk_packages(dashboards.__path__, f"{dashboards.__name__}."):
        module = importlib.import_module(found.name)
        known |= set(vars(module))
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        imports = [one for one in ast.walk(ast.parse(source)) if isinstance(one, ast.ImportFrom)]
        known |= {alias.name for one in imports for alias in one.names}  # those for annotations too
    tree = ast.parse(text)
    names = [one for one in ast.walk(tree) if isinstance(one, ast.Name)]
    own = {one.id for one in names if isinstance(one.ctx, ast.Store)}
    own |= {one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)}
    own |= {one.arg for one in ast.walk(tree) if isinstance(one, ast.arg)}
    assert {one.id for one in names} - own - known <= UNWRITTEN


UNWRITTEN: Final = {"PAGE", "_alerts", "_by_provider", "_state"}
"""Names of a reader's own module that the documents show in part."""


def run(*words: object, given: str = "", cwd: Path = ROOT) -> str:
    """Run a command that must succeed; return what it prints."""
    ended = subprocess.run(
        list(map(str, words)), input=given, capture_output=True, text=True, cwd=cwd, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr + ended.stdout
    return ended.stdout


READERS: Final[Mapping[str, Callable[[str, Path], None]]] = {
    "env": read_env,
    "json": read_json,
    "python": read_python,
    "toml": read_toml,
    "yaml": read_yaml,
}
"""How to read a block of a language. SQL, and a drop-in of systemd, are run by tests of their own (`OTHERS`)."""

OTHERS: Final = ("sql", "ini")
