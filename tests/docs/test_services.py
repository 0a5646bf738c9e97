"""The commands of the documents for a collector that systemd runs, from an empty machine to a new version."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.docs.blocks import pasted
from tests.docs.machine import Machine
from tests.oracle.reports import report
from tests.servers.fixtures import need
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.docs.blocks import Block

pytestmark = pytest.mark.servers

READER: Final = "sudo -u duckwatch duckwatch-collector --config /etc/duckwatch.yml"
COLLECTOR: Final = "duckwatch-collector --config /etc/duckwatch.yml"

DATABASE = pasted("\\connect duckwatch", language="sql")
INSTALL = pasted("sudo ln -s /opt/duckwatch/bin/duckwatch-collector /usr/local/bin/")
START = pasted("curl --fail --retry 9 --retry-delay 1 --retry-connrefused http://127.0.0.1:9626/readyz")
EVENT = pasted(
    """    "from": "news@shop.example", "to": "jane@corp.example", "response": "550 5.1.1 User unknown"}}]'"""
)
TRACE = pasted(f"{READER} trace jane@corp.example")
TRACES = [pasted(f"{program} trace 1a20bd7ba7a000cd07") for program in (READER, COLLECTOR)]
DOCTORS = [pasted(f"{program} doctor") for program in (READER, COLLECTOR)]
LIST = pasted(f"{READER} dead-letters list")
DEAD_LETTERS = pasted(f"{READER} dead-letters show ID")
RECLASSIFY = pasted(f"{COLLECTOR} reclassify --since 30d")
PSEUDONYM = pasted(f"{COLLECTOR} subject pseudonym jane@example.com")
FORGET = pasted(f"{COLLECTOR} subject forget jane@example.com")
COMPLAINT = pasted("  https://collector.example:9626/api/events/arf")
TELEMETRY = pasted("export OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318")
JOURNAL = pasted("sudo -u duckwatch duckwatch-collector journal check /var/lib/duckwatch/journal")
CREDENTIALS = [
    pasted(f"LoadCredential={name}:/etc/duckwatch/{name}", language="ini") for name in ("token-us1", "token-new")
]
METRICS = "curl --silent http://127.0.0.1:9626/metrics | grep"
READINGS = [
    pasted(line)
    for line in (
        "curl --silent http://127.0.0.1:9626/readyz",
        f"{METRICS} '^duckwatch_http_requests_total'",
        f"{METRICS} '^duckwatch_store_bytes'",
        f"{METRICS} 'code=\"401\"'",
        f"{METRICS} 'route=\"/api/events/wildduck\"'",
        f"{METRICS} -E '^duckwatch_(store_up|store_errors|journal)'",
        f"{METRICS} duckwatch_job_last_success_timestamp_seconds",
        f"{READER} check-config",
        "psql 'postgresql://duckwatch_reader@127.0.0.1/duckwatch' -c 'SELECT max(bucket) FROM mail_stats_5m'",
        "sudo -u postgres psql duckwatch -c 'SELECT source, max(time), count(*) FROM mail_events GROUP BY source'",
    )
]
NEW_TOKEN = pasted(
    "openssl rand -hex 32 | sudo install -m 0600 /dev/stdin /etc/duckwatch/token",
    "sudo systemctl restart duckwatch-collector",
)
NEW_PASSWORD = pasted("sudo -u postgres psql -c \"ALTER ROLE duckwatch PASSWORD 'PASSWORD-3'\"")
NEW_READER = pasted("sudo -u postgres psql -c \"ALTER ROLE duckwatch_reader PASSWORD 'PASSWORD-4'\"")
RESTART = pasted("sudo systemctl restart duckwatch-collector")
UPGRADE = pasted("sudo /opt/duckwatch/bin/pip install --upgrade '.[all]'")
MIGRATE = pasted(f"{READER} migrate --status")
READY: Final = "curl --fail --retry 9 --retry-delay 1 --retry-connrefused http://127.0.0.1:9626/readyz"

PRIVACY = "/var/lib/duckwatch/privacy.secret"
"""The secret of the pseudonyms, which the service's account reads."""

DAY_MS: Final = 86_400_000


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Yield an empty machine with a database server."""
    made = need(lambda: Machine(tmp_path_factory.mktemp("machine")))
    yield made
    made.remove()


@pytest.fixture(scope="module")
def collector(machine: Machine) -> Machine:
    """Yield the machine with a collector, by the first steps of the tutorial. Plain PostgreSQL has no TimescaleDB."""
    machine.make_database(DATABASE)
    machine.install(INSTALL)
    assert '"ready":true' in machine.paste(START)
    # The trouble `starting`: ask again.
    wait_until(lambda: '"database":true' in machine.paste(START), machine.systemd.log)
    return machine


def send(machine: Machine, later_ms: int = 0, **entry: Any) -> None:
    """Send an event, as the mail host of the token does."""
    event = {
        "time": time.time_ns() // 1_000_000 + later_ms,
        "entry": {"seq": "001", "from": "news@shop.example"} | entry,
    }
    route = 'http://127.0.0.1:9626/api/events/ingest -H "Authorization: Bearer $(cat /etc/duckwatch/token)"'
    machine.shell(f"curl --silent --fail {route} -d @-", json.dumps([event]))


def rows(machine: Machine, statement: str) -> str:
    """Return what the administrator's psql prints for a statement."""
    return machine.shell(f'sudo -u postgres psql -d duckwatch -At -c "{statement}"').strip()


def test_an_event_of_ones_own_is_traced(collector: Machine) -> None:
    """The event is accepted, and a second later `trace` says why it bounced."""
    assert collector.paste(EVENT) == '{"accepted":1,"rejected":[]}'
    wait_until(lambda: rows(collector, "SELECT count(*) FROM mail_events") == "1", collector.systemd.log)
    assert "unknown_user" in collector.paste(TRACE)


def test_a_message_is_found_by_each_of_its_names(collector: Machine) -> None:
    """By queue id, Message-ID and recipient."""
    for number, recipient in enumerate(("ok@corp.example", "jane@corp.example")):
        send(collector, action="ACCEPTED", id="1a20bd7ba7a000cd07", seq=f"00{number + 1}", to=recipient,
             messageId="<1@shop.example>", response="250 OK")  # fmt: skip
    there = "SELECT count(*) FROM mail_events WHERE queue_id = '1a20bd7ba7a000cd07'"
    wait_until(lambda: rows(collector, there) == "2", collector.systemd.log)
    for block in TRACES:
        assert collector.paste(block).count("1a20bd7ba7a000cd07") >= 3


def test_doctor_finds_no_fault(collector: Machine) -> None:
    """As the service's user, and as root."""
    for block in DOCTORS:
        assert "faults: 0" in collector.paste(block)


def test_dead_letters_are_listed_shown_retried_and_dropped(collector: Machine) -> None:
    """An event of tomorrow is set aside."""
    send(collector, action="ACCEPTED", id="tomorrow0001", to="jane@corp.example", later_ms=2 * DAY_MS)
    wait_until(lambda: rows(collector, "SELECT count(*) FROM dead_letters") == "1", collector.systemd.log)
    letter = rows(collector, "SELECT letter_id FROM dead_letters")
    listed, shown, retried, dropped = DEAD_LETTERS.text.replace("ID", letter).splitlines()
    assert letter in collector.paste(LIST)
    assert letter in collector.shell(listed)
    assert "time_ahead" in collector.shell(shown)
    assert letter in collector.shell(retried, code=1)  # it is still of tomorrow
    collector.shell(dropped)
    assert rows(collector, "SELECT count(*) FROM dead_letters") == "0"


def test_stored_replies_are_judged_again(collector: Machine) -> None:
    """A reason that no rule gives is mended."""
    rows(collector, "UPDATE mail_events SET reason = 'other' WHERE action = 'bounced'")
    assert "unknown_user" in collector.paste(RECLASSIFY)
    assert rows(collector, "SELECT reason FROM mail_events WHERE action = 'bounced'") == "unknown_user"


def test_a_complaint_is_taken(collector: Machine) -> None:
    """The address and the token are those of this machine."""
    token = collector.shell("cat /etc/duckwatch/token").strip()
    others = {"https://collector.example": "http://127.0.0.1", "$TOKEN": token}
    assert '"accepted":1' in collector.paste(COMPLAINT, report().decode(), others=others)


def test_a_person_is_found_and_forgotten(collector: Machine) -> None:
    """`pseudonym` needs the secret of the configuration; `export` writes the file, `forget` empties the rows."""
    send(collector, action="ACCEPTED", id="1a20bd7ba7a000cd08", to="jane@example.com", response="250 OK")
    wait_until(lambda: rows(collector, "SELECT count(*) FROM mail_events WHERE recipient = 'jane@example.com'") == "1",
               collector.systemd.log)  # fmt: skip
    collector.shell(f"openssl rand -base64 32 | install -o duckwatch -m 0400 /dev/stdin {PRIVACY}; "
                    f"echo '  privacy: {{secret_file: {PRIVACY}}}' >>/etc/duckwatch.yml")  # fmt: skip
    assert re.fullmatch(r"p-[0-9a-f]{20}\n", collector.paste(PSEUDONYM))
    collector.paste(FORGET)
    assert "1a20bd7ba7a000cd08" in collector.shell("cat jane.jsonl")
    assert rows(collector, "SELECT count(*) FROM mail_events WHERE recipient = 'forgotten@example.com'") == "1"


def test_further_secrets_are_loaded_for_the_service(collector: Machine) -> None:
    """A drop-in gives the service two more credentials."""
    place = "/etc/systemd/system/duckwatch-collector.service.d"
    collector.shell(f"mkdir -p {place}; touch /etc/duckwatch/token-us1 /etc/duckwatch/token-new /etc/duckwatch/mongo")
    for number, block in enumerate(CREDENTIALS):
        collector.systemd.write(f"{place}/{number}.conf", block.text)
    collector.shell("systemctl daemon-reload; systemctl restart duckwatch-collector")
    collector.shell(READY)
    assert {"dsn", "token", "token-new", "token-us1", "mongo"} <= set(
        collector.shell("ls /run/credentials/duckwatch-collector.service").split()
    )


@pytest.mark.parametrize("block", READINGS, ids=lambda block: block.name)
def test_a_look_at_the_running_collector_shows_something(collector: Machine, block: Block) -> None:
    """Metrics, answers and tables that a person looks at. The reader's password is given as psql takes it."""
    refused = "http://any:wrong@127.0.0.1:9626/api/events/wildduck"
    collector.shell(f"curl --silent {refused} -d '{{}}'")
    wait_until(
        lambda: collector.systemd.call("sh", "-c", f"export PGPASSWORD=PASSWORD-2\n{block.text}").stdout,
        collector.systemd.log,
        seconds=90,
    )


def test_secrets_are_replaced(collector: Machine) -> None:
    """The token, and the passwords of both roles: the collector is ready with them."""
    before = collector.shell("cat /etc/duckwatch/token")
    collector.paste(NEW_TOKEN)
    assert collector.shell("cat /etc/duckwatch/token") != before
    collector.paste(NEW_PASSWORD)
    collector.paste(NEW_READER)
    collector.paste(RESTART)
    wait_until(lambda: '"database":true' in collector.shell(READY), collector.systemd.log)


def test_a_new_version_is_installed(collector: Machine) -> None:
    """Pip, the unit, and doctor."""
    assert "faults: 0" in collector.paste(UPGRADE)
    assert "version" in collector.paste(MIGRATE)


def test_the_journal_is_whole_after_a_stop(collector: Machine) -> None:
    """The service has ended, and no request is left."""
    collector.shell("systemctl stop duckwatch-collector")
    assert "0 requests" in collector.paste(JOURNAL)


def test_the_collector_serves_with_telemetry(collector: Machine) -> None:
    """It runs in the foreground until it gets SIGTERM, and ends well though no receiver listens.

    Without the service there are no copies of its secrets, so the configuration names the files themselves.
    """
    collector.shell("sed -i s#/run/credentials/duckwatch-collector.service#/etc/duckwatch# /etc/duckwatch.yml")
    assert '"ready":true' in collector.serve(TELEMETRY.text, "http://127.0.0.1:9626/readyz")
