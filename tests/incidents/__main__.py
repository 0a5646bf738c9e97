"""`python -m tests.incidents [NAME ...]`: incidents in a running house, and the messages that people get.

Exit code 0 if each alert came once to each of its receivers within 60 s after its `for`, its resolution came once, and
nothing else came; else 1.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
import tempfile
import time
from email.message import EmailMessage
from pathlib import Path

from tests.alert_rules.desk import part
from tests.incidents.campaign import Outcome, run
from tests.incidents.house import House, wait_for_watchdog
from tests.incidents.incidents import INCIDENTS

WARM_UP_SECONDS = 30


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.incidents", description=__doc__)
    names = [incident.name for incident in INCIDENTS]
    parser.add_argument("names", nargs="*", help=f"default: all of {' '.join(names)}")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 16))
    parser.add_argument("--keep", type=Path, help="a folder for the messages: Slack's as JSON, e-mails as HTML")
    arguments = parser.parse_args()
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd warns of its own deprecated names
    unknown = sorted(set(arguments.names) - set(names))
    if unknown:
        parser.error(f"no incident is named {unknown[0]}: {' '.join(names)}")
    chosen = [incident for incident in INCIDENTS if incident.name in (arguments.names or names)]
    print(f"seed {arguments.seed}", flush=True)
    faults = 0
    with tempfile.TemporaryDirectory(prefix="duckwatch-incidents-") as folder:
        Path(folder).chmod(0o711)
        house = House(Path(folder), Path(folder) / "logs", arguments.seed)
        try:
            house.start()
            wait_for_watchdog(house)
            time.sleep(WARM_UP_SECONDS)
            for outcome in run(house, chosen):
                faults += _show(outcome)
                if arguments.keep:
                    _keep(outcome, arguments.keep)
        finally:
            house.stop()
    return int(bool(faults))


def _show(outcome: Outcome) -> int:
    """Print the delays, every message, and what is wrong. Return the number of faults."""
    incident = outcome.incident
    for receiver in incident.receivers:
        came, resolved = (outcome.came(receiver, is_resolved=is_resolved) for is_resolved in (False, True))
        print(
            f"{incident.name:10} {incident.alert} ({incident.severity}) -> {receiver}: "
            f"{came - outcome.began:.0f} s after the incident began, {came - outcome.fired:.1f} s after its `for`; "
            f"resolved {resolved - outcome.ended:.0f} s after the incident ended"
        )
    for message in outcome.messages:
        print(f"    +{message.at - outcome.began:5.0f} s  {message}")
    faults = outcome.faults()
    for fault in faults:
        print(f"    FAULT: {fault}")
    sys.stdout.flush()
    return len(faults)


def _keep(outcome: Outcome, folder: Path) -> None:
    """Write each message into a file."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, message in enumerate(outcome.messages):
        name = f"{outcome.incident.name}-{number}-{'resolved' if message.is_resolved else 'firing'}"
        if isinstance(message.content, EmailMessage):
            (folder / f"{name}.html").write_text(part(message.content, "html"), encoding="utf-8")
        else:
            (folder / f"{name}.json").write_text(json.dumps(message.content, indent=1), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
