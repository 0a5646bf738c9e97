"""Reloads: watched files, refused configurations, and many signals."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from exporters.dnsbl.config import SettingsFileWatch
from exporters.dnsbl.metrics import Metrics
from exporters.dnsbl.planning.plan_loading import read_configuration
from exporters.dnsbl.planning.reloading import ConfigReloader
from tests.unit.web.conftest import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from exporters.dnsbl.planning.plan_loading import Configuration


class WatchedConfiguration:
    """A configuration in a folder, and the configurations that are taken from it."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder, self.metrics = folder, Metrics()
        self.config = folder / "duckwatch.yml"
        self.taken: list[Configuration] = []
        self.running: asyncio.Task[None] | None = None
        self.environ = {f"DUCKWATCH_DNSBL__{name}": value for name, value in environ.items()}

    def configure(self, **section: Any) -> None:
        self.config.write_text(yaml.safe_dump({"dnsbl": {"lists": ["bl.example"], **section}}), encoding="utf-8")

    def start(self) -> None:
        """Start watching the present files."""
        self.reloading = ConfigReloader(self.config, self.environ, self.metrics, self.taken.append)
        self.running = asyncio.create_task(self.reloading.run())

    @property
    def verdict(self) -> float | None:
        """Return 1 when the configuration read last was good, else 0."""
        return self.metrics.registry.get_sample_value("duckwatch_dnsbl_config_last_reload_successful")

    async def is_refused(self) -> bool:
        """Wait for a reload. Return whether it was refused and the previous configuration stays."""
        self.metrics.reload_successful.set(1)
        count = len(self.taken)

        def is_read() -> bool:
            self.reloading.look()
            return self.verdict == 0 or len(self.taken) > count

        await until(is_read)
        assert len(self.taken) == count or self.verdict == 1
        return self.verdict == 0

    async def targets(self) -> list[str]:
        """Wait for a reload. Return the targets that were taken."""
        assert not await self.is_refused()
        return [one.target.text for one in self.taken[-1].plan.targets]


@pytest.fixture
async def watching(tmp_path: Path) -> AsyncIterator[WatchedConfiguration]:
    made = WatchedConfiguration(tmp_path, COLLECTOR__TOKEN_FILE=str(tmp_path / "token"))
    (tmp_path / "token").write_text("t0ken")
    yield made
    if made.running is not None:
        made.running.cancel()


async def test_every_file_is_watched(watching: WatchedConfiguration) -> None:
    """Target lists, file_sd, new files of a wildcard, and secrets are watched, also if the environment names them."""
    folder = watching.folder
    (folder / "plain.txt").write_text("192.0.2.1\n")
    (folder / "sd.json").write_text(json.dumps([{"targets": ["192.0.2.2:25"]}]))
    watching.configure(target_files=[f"{folder}/*.txt", f"{folder}/sd.json"])
    watching.start()
    (folder / "plain.txt").write_text("192.0.2.1\n192.0.2.3\n")
    assert await watching.targets() == ["192.0.2.1", "192.0.2.3", "192.0.2.2"]
    (folder / "sd.json.new").write_text(json.dumps([{"targets": ["192.0.2.4:25"]}]))
    (folder / "sd.json.new").rename(folder / "sd.json")
    assert await watching.targets() == ["192.0.2.1", "192.0.2.3", "192.0.2.4"]
    (folder / "another.txt").write_text("192.0.2.5\n")
    assert await watching.targets() == ["192.0.2.5", "192.0.2.1", "192.0.2.3", "192.0.2.4"]
    (folder / "another.txt").unlink()
    assert await watching.targets() == ["192.0.2.1", "192.0.2.3", "192.0.2.4"]
    (folder / "token").write_text("an0ther")
    await watching.targets()
    link = watching.taken[-1].settings.collector
    assert link is not None
    assert link.token is not None
    assert link.token.get_secret_value() == "an0ther"


async def test_what_is_being_written_is_left_to_be_finished(watching: WatchedConfiguration) -> None:
    """A file that is being written is read only when two looks in a row agree."""
    path = watching.folder / "plain.txt"
    path.write_text("192.0.2.1\n")
    watching.configure(target_files=[str(path)])
    sources = SettingsFileWatch(watching.config, {})
    assert not sources.have_changed()
    for size in range(2, 5):
        path.write_text("192.0.2.1\n" * size)
        assert not sources.have_changed()
    assert sources.have_changed()
    sources.note_read()
    assert not sources.have_changed()


def garbage(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00garbage")


def nonsense(path: Path) -> None:
    path.write_text("nonsense\n" * 1000)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def huge(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(50 << 20)


async def test_a_spoilt_file_is_refused_and_taken_once_it_is_mended(
    watching: WatchedConfiguration, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken file (garbage, missing, a folder, a pipe, 50 MB) is refused and named, and read once it is fixed."""
    path = watching.folder / "plain.txt"
    path.write_text("192.0.2.1\n")
    watching.configure(target_files=[str(path)])
    watching.start()
    spoil: list[Callable[[Path], None]] = [garbage, nonsense, type(path).unlink, directory, pipe, huge]
    for number, how in enumerate(spoil):
        how(path)
        caplog.clear()
        assert await watching.is_refused(), how
        assert str(path) in str([vars(record).get("fields") for record in caplog.records])
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        path.write_text(f"192.0.2.{number}\n")
        assert await watching.targets() == [f"192.0.2.{number}"]


async def test_a_fault_may_be_mended_in_the_file_that_has_it(watching: WatchedConfiguration) -> None:
    """The files of a refused configuration are watched too, so that a fix in one of them is enough."""
    watching.configure(targets=["192.0.2.1"])
    watching.start()
    path = watching.folder / "later.txt"
    watching.configure(target_files=[str(path)])
    assert await watching.is_refused()
    path.write_text("192.0.2.9\n")
    assert await watching.targets() == ["192.0.2.9"]


async def test_a_file_that_was_emptied_is_refused(watching: WatchedConfiguration) -> None:
    """A file without content, as a full disk leaves it, does not mean "no targets": the old configuration stays."""
    watching.configure(targets=["192.0.2.1"])
    watching.start()
    watching.config.write_text("\n")
    assert await watching.is_refused()
    watching.configure(targets=["192.0.2.2"])
    assert await watching.targets() == ["192.0.2.2"]


async def test_a_storm_of_signals_is_one_more_reading(
    watching: WatchedConfiguration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many signals during a reload lead to one more, which reads the last state."""
    watching.configure(targets=["192.0.2.1"])
    watching.start()
    read = 0

    def counted(*words: Any) -> Configuration:
        nonlocal read
        read += 1
        return read_configuration(*words)

    monkeypatch.setattr("exporters.dnsbl.planning.reloading.read_configuration", counted)
    for _ in range(1000):
        watching.reloading.ask()
        await asyncio.sleep(0)
    watching.configure(targets=["192.0.2.2"])
    watching.reloading.ask()
    await until(lambda: watching.taken and watching.taken[-1].plan.targets[0].target.text == "192.0.2.2")
    assert read < 100


async def test_a_fault_of_ours_ends_nothing(watching: WatchedConfiguration, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in the reload keeps the old configuration, is shown by the gauge, and ends with the next good reload."""
    watching.configure(targets=["192.0.2.1"])
    watching.start()
    monkeypatch.setattr("exporters.dnsbl.planning.reloading.read_configuration", lambda *_: 1 / 0)
    watching.configure(targets=["192.0.2.2"])
    assert await watching.is_refused()
    monkeypatch.setattr("exporters.dnsbl.planning.reloading.read_configuration", read_configuration)
    watching.configure(targets=["192.0.2.33"])
    assert await watching.targets() == ["192.0.2.33"]
