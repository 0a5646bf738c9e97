"""Names agree: metrics with their page and with what is served, columns with the table, the docs with the tree."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from collector import jobs
from collector.events.model.event import COLUMNS, MailEvent, RejectReason
from collector.metrics import CATALOGUE, Metrics
from collector.operations.doctor import CHECKS
from collector.store.database.connection import KINDS
from collector.store.migrations import migrate
from collector.store.schema.reader_role import READABLE
from exporters.dnsbl.metrics import CATALOGUE as DNSBL_CATALOGUE
from exporters.dnsbl.metrics import Metrics as DnsblMetrics
from tests.integration.operations.test_first_mistakes import MISTAKES
from tests.servers.collector import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
SUFFIXES = ("_bucket", "_count", "_sum")
LABELS_OF_TARGETS = frozenset(
    {"job", "instance", "namespace", "pod", "container", "service", "endpoint", "node", "prometheus"}
)
"""Labels that Prometheus or its Kubernetes operator adds to each scrape target.

A metric's own label of this name becomes `exported_…`.
"""
EXTERNAL_LABELS = frozenset({"cluster", "replica", "region", "environment", "env", "datacenter", "tenant"})
"""Usual external labels of a Prometheus, which adds them only to series without a label of that name."""

each_catalogue = pytest.mark.parametrize("catalogue", [CATALOGUE, DNSBL_CATALOGUE], ids=["collector", "dnsbl"])


def page(name: str) -> str:
    """Return the text of a page of the docs."""
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture
def collector(postgres_dsn: str, tmp_path: Path, server_logs: Path) -> Iterator[Collector]:
    """Yield a running collector."""
    made = Collector(tmp_path / "collector", server_logs, postgres_dsn)
    made.start()
    yield made
    made.stop()


def test_the_metrics_page_lists_the_catalogue() -> None:
    """docs/metrics.md has an entry with the name, the type and the labels of every metric, once, and no other entry."""
    told = page("docs/metrics.md")
    entries = re.findall(r"^- `(duckwatch_\w+)` \((counter|gauge|histogram)(; .*)?\):$", told, re.MULTILINE)
    assert [name for name, _, _ in entries] == re.findall(r"^- `(duckwatch_\w+)`", told, re.MULTILINE)
    found = [(name, tuple(re.findall(r"`(\w+)`", labels))) for name, _, labels in entries]
    assert sorted(found) == sorted({**CATALOGUE, **DNSBL_CATALOGUE}.items())
    families = [*Metrics().registry.collect(), *DnsblMetrics().registry.collect()]
    types = {f"{one.name}_total" if one.type == "counter" else one.name: one.type for one in families}
    assert types.keys() <= {name for name, _, _ in entries}
    assert types.items() <= {name: kind for name, kind, _ in entries}.items()


def test_a_test_of_behaviour_names_each_metric() -> None:
    """Whoever changes what moves a metric finds its test by the metric's name."""
    files = (path for kind in ("unit", "integration", "acceptance") for path in (ROOT / "tests" / kind).rglob("*.py"))
    named = set(re.findall(r"\bduckwatch_\w+", "".join(path.read_text(encoding="utf-8") for path in files)))
    names = re.findall(r"^- `(duckwatch_\w+)`", page("docs/metrics.md"), re.MULTILINE)
    assert [name for name in names if not named & {name, *(f"{name}{suffix}" for suffix in SUFFIXES)}] == []


@each_catalogue
def test_no_label_is_one_that_prometheus_gives_to_targets(catalogue: Mapping[str, tuple[str, ...]]) -> None:
    """A query from docs/metrics.md finds its series, with and without `honor_labels`."""
    labels = {(name, label) for name, labels in catalogue.items() for label in labels}
    assert not {(name, label) for name, label in labels if label in LABELS_OF_TARGETS or label.startswith("exported_")}


@each_catalogue
def test_no_label_hides_an_external_label(catalogue: Mapping[str, tuple[str, ...]]) -> None:
    """A label named like an external one would hide it in federation and remote storage."""
    assert not {(name, label) for name, labels in catalogue.items() for label in labels if label in EXTERNAL_LABELS}


def test_the_metrics_page_lists_every_kind_and_reason() -> None:
    """The page explains every value of `kind` and `reason`."""
    told = set(re.findall(r"`(\w+)`", page("docs/metrics.md")))
    assert set(KINDS.values()) <= told
    assert set(RejectReason) <= told


def test_the_metrics_page_lists_every_job() -> None:
    """The page has the values of `task`, and no others."""
    said = re.search(r"^`task` is (.*?) \(", page("docs/metrics.md"), re.MULTILINE | re.DOTALL)
    assert said is not None
    named = {getattr(jobs, name).name for name in jobs.__all__ if name not in ("Job", "Jobs")}
    assert set(re.findall(r"`(\w+)`", said[1])) == named


def test_the_operations_page_has_every_check_of_the_doctor() -> None:
    """The page has the checks in the order of their output."""
    checks = page("docs/operations.md").partition("\n### The checks\n")[2].partition("\n#")[0]
    assert re.findall(r"^- `([\w ]+)`:$", checks, re.MULTILINE) == list(CHECKS)


def test_each_check_of_the_doctor_has_a_case_of_its_own() -> None:
    """The tests of `doctor` ask each check for itself, or make a mistake that it must name."""
    folder = ROOT / "tests" / "integration" / "operations"
    told = "".join(path.read_text(encoding="utf-8") for path in folder.glob("test_doctor*.py"))
    asked = {name for call in re.findall(r"\b(?:only|statuses)\((.*)\)", told) for name in re.findall(r'"(.+?)"', call)}
    asked |= set(re.findall(r'\["([\w ]+)"\]', told))
    asked |= {mistake.where for mistake in MISTAKES if mistake.command == "doctor"}
    missing = [name for name in CHECKS if name not in asked]
    assert missing == [], f'no case asks for it: only(found, "{missing[0]}") in tests/integration/operations'


def test_what_is_served_is_the_catalogue(collector: Collector) -> None:
    """Every sample on /metrics belongs to a metric of the catalogue and has its labels."""
    for name, samples in collector.metrics().items():
        known = next((n for n in (name, *(name.removesuffix(suffix) for suffix in SUFFIXES)) if n in CATALOGUE), None)
        assert known is not None, name
        for labels in samples:
            assert {label for label, _ in labels} - {"le"} == set(CATALOGUE[known]), name


def test_counters_have_no_created_series(collector: Collector) -> None:
    """Counters have no `_created` series, which would double the number of series."""
    assert [name for name in collector.metrics() if name.endswith("_created")] == []


def test_the_table_has_the_columns_of_the_model_in_order(any_dsn: str) -> None:
    """Model and table have the same columns in the same order, because COPY writes by position."""
    with psycopg.connect(any_dsn) as connection:
        migrate(connection)
        found = connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'mail_events'::regclass AND attnum > 0 ORDER BY attnum"
        ).fetchall()
    assert tuple(name for (name,) in found) == COLUMNS == MailEvent.__struct_fields__


def test_the_events_page_has_every_column() -> None:
    """docs/events.md has each column with its source."""
    told = set(re.findall(r"`(\w+)`", page("docs/events.md")))
    assert set(COLUMNS) - {"raw", "received_at"} <= told


def test_the_storage_page_has_every_relation(postgres_dsn: str) -> None:
    """docs/storage.md has each table and view, and says whether dashboards may read it."""
    with psycopg.connect(postgres_dsn) as connection:
        migrate(connection)
        made = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace = current_schema()::regnamespace"
        ).fetchall()
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| .* \| (yes|no) \|$", page("docs/storage.md"), re.MULTILINE)
    told = {name: is_read == "yes" for names, is_read in rows for name in re.findall(r"\w+", names)}
    assert set(told) == {name for (name,) in made}
    assert {name for name, is_read in told.items() if is_read} == set(READABLE)


@pytest.mark.parametrize(
    "name", ["README.md", "docs/architecture.md", "docs/decisions.md", "docs/dashboards.md", "docs/alerting.md"]
)
def test_the_docs_name_files_that_exist(name: str) -> None:
    """Each path in a page exists in the repository."""
    paths = re.findall(r"[`(]((?:collector|exporters|grafana|alert-rules|docs|tests|bench)/[\w./-]+\w)[`)]", page(name))
    placeholders = ("NNNN", "SUBJECT", "SENDER", "NAME")
    named = [path for path in paths if not any(word in path for word in placeholders)]
    assert [path for path in named if not (ROOT / path).exists() and not (ROOT / f"{path}.py").exists()] == []


def test_every_dependency_is_decided() -> None:
    """docs/decisions.md says of each library why it was chosen."""
    project = tomllib.loads(page("pyproject.toml"))["project"]
    wanted = project["dependencies"] + [one for extra in project["optional-dependencies"].values() for one in extra]
    names = [re.split(r"[\[<>=; ]", requirement)[0] for requirement in wanted]
    told = page("docs/decisions.md").lower()
    assert [name for name in names if name not in told] == []


def test_the_first_screen_of_the_readme_has_the_two_commands() -> None:
    """A newcomer finds the two commands without scrolling."""
    first = page("README.md").splitlines()[:20]
    assert any(line.startswith("make demo") for line in first)
    assert any(line.startswith("make test") for line in first)


def test_no_dependency_brings_a_package_of_our_names() -> None:
    """No installed package is named `collector` or `grafana`: one would shadow the other."""
    ours = {
        name: owners
        for name, owners in packages_distributions().items()
        if name in {"collector", "exporters", "grafana"}
    }
    assert {owner for owners in ours.values() for owner in owners} <= {"duckwatch"}
