"""Pictures of the dashboards, and what is wrong with them: `python -m tests.pictures take|stage|look`.

`take` runs the demo and looks at every dashboard (`make pictures`).
`stage` runs the demo beside a Grafana until Ctrl-C, and prints what `look` needs.
`look` looks at the dashboards of this work tree in a Grafana whose data sources are there already.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grafana.generate import build_all
from tests.pictures.looking import View, look, rows_open
from tests.pictures.shrinking import shrunk
from tests.pictures.stage import PROVISIONED, Sources, staged
from tests.servers.grafana import GrafanaError, given, given_or_started
from tests.servers.missing import MissingServerError

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Iterator

    from tests.servers.grafana import Grafana

OK, FAULTS, CANNOT = 0, 1, 2
LONGEST_UID = 40


def main() -> int:
    """Run one command, and return the exit code: 1 when a dashboard has a fault, 2 when a server is missing."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="duckwatch-pictures-", ignore_cleanup_errors=True) as folder:
            Path(folder).chmod(0o755)  # PostgreSQL and Prometheus may run as other users
            return COMMANDS[options.command](options, Path(folder))
    except (MissingServerError, GrafanaError) as error:
        sys.stderr.write(f"pictures: {error}\n")
        return CANNOT
    except KeyboardInterrupt:
        return OK


def _take(options: argparse.Namespace, folder: Path) -> int:
    with given_or_started(folder) as grafana, _staged(grafana, folder, options) as sources:
        return _pictures(grafana, sources, options)


def _stage(options: argparse.Namespace, folder: Path) -> int:
    with given_or_started(folder) as grafana, _staged(grafana, folder, options) as sources:
        there = {"GRAFANA_URL": grafana.url, "GRAFANA_ADMIN_PASSWORD": grafana.password, **sources._asdict()}
        sys.stdout.write(json.dumps(there) + "\n")
        sys.stdout.flush()
        signal.pause()
    return OK


def _look(options: argparse.Namespace, _folder: Path) -> int:
    grafana = given()
    try:
        return _pictures(grafana, Sources(options.timescale, options.prometheus), options)
    finally:
        grafana.clean()


COMMANDS = {"take": _take, "stage": _stage, "look": _look}


def _staged(grafana: Grafana, folder: Path, options: argparse.Namespace) -> contextlib.AbstractContextManager[Sources]:
    return staged(grafana, folder, rate=options.rate, history=options.history, warm=options.warm)


def _pictures(grafana: Grafana, sources: Sources, options: argparse.Namespace) -> int:
    """Open each dashboard, print its report, and write its picture. Return FAULTS if a dashboard has a fault."""
    options.output.mkdir(parents=True, exist_ok=True)
    chosen = [(f"{kind}", uid) for kind, uid in sources._asdict().items()]
    given_values = [tuple(value.split("=", 1)) for value in options.var]
    named = {name for name, _ in given_values}
    variables = [*(one for one in chosen if one[0] not in named), *given_values]
    view = View(options.width, options.theme, options.start, options.end, variables)
    folder, found = grafana.folder("Mail"), OK
    for name, page in _dashboards(options.files, options.only):
        path = grafana.save(page, folder)
        report, picture = asyncio.run(look(grafana, name, page, path, view))
        (options.output / f"{name}.png").write_bytes(shrunk(picture))
        sys.stdout.write(report.line() + "\n")
        sys.stdout.flush()
        found = FAULTS if report.faults else found
    return found


def _dashboards(files: Path | None, only: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the chosen dashboards by name, each with a uid that is new to the Grafana.

    Raise GrafanaError for a name that no dashboard has.
    """
    pages = {path.stem: json.loads(path.read_text()) for path in sorted(files.glob("*.json"))} if files else build_all()
    names = only.split(",") if only else [*pages]
    if unknown := set(names) - set(pages):
        raise GrafanaError(f"no dashboard is called {', '.join(sorted(unknown))}; there are {', '.join(pages)}")
    suffix = f"-{secrets.token_hex(4)}"
    # The trace first: its message is minutes old, and a slow machine takes as long as the range for the others.
    for name in sorted(names, key=lambda name: name != "trace"):
        page = rows_open(pages[name])
        yield name, page | {"uid": page["uid"][: LONGEST_UID - len(suffix)] + suffix}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.pictures", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    take = commands.add_parser("take", help="run the demo and look at every dashboard")
    stage = commands.add_parser("stage", help="run the demo beside a Grafana until Ctrl-C")
    looking = commands.add_parser("look", help="look at the dashboards in the Grafana of GRAFANA_URL")
    for command, warm in ((take, 300), (stage, 120)):
        command.add_argument("--rate", type=float, default=20, metavar="EVENTS_PER_S", help="the demo's traffic (20)")
        command.add_argument("--history", type=float, default=24, metavar="HOURS", help="the demo's past (24)")
        command.add_argument("--warm", type=float, default=warm, metavar="SECONDS", help="how long it runs before")
    for command, start in ((take, "now-15m"), (looking, "now-6h")):  # Prometheus has nothing from before the demo
        command.add_argument("--output", type=Path, default=Path("docs/pictures"), metavar="DIR")
        command.add_argument("--files", type=Path, metavar="DIR", help="a folder of dashboards (those of the code)")
        command.add_argument("--only", default="", metavar="NAMES", help="dashboards, parted by commas (all)")
        command.add_argument("--width", type=int, default=1366, metavar="PIXELS")
        command.add_argument("--theme", choices=("dark", "light"), default="dark")
        command.add_argument("--from", dest="start", default=start, metavar="TIME")
        command.add_argument("--to", dest="end", default="now", metavar="TIME")
        command.add_argument("--var", action="append", default=[], metavar="NAME=VALUE", help="may be repeated")
    looking.add_argument("--timescale", default=PROVISIONED["postgres"]["uid"], metavar="UID")
    looking.add_argument("--prometheus", default=PROVISIONED["prometheus"]["uid"], metavar="UID")
    return parser


if __name__ == "__main__":
    sys.exit(main())
