"""The commands of the documents that lay out files: secrets of Compose, ZoneMTA's plugin, Grafana's provisioning."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.docs.blocks import pasted
from tests.docs.machine import Machine
from tests.servers.fixtures import need

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.servers

PLUGIN = pasted("sudo cp -r zonemta-plugin /opt/zone-mta/plugins/zonemta-duckwatch")
PLUGIN_README = [
    pasted("cp -r zonemta-plugin /opt/zone-mta/plugins/zonemta-duckwatch"),
    pasted("install -d -o zone-mta -g zone-mta -m 0700 /var/spool/duckwatch"),
]
PACKED = pasted("(cd zonemta-plugin && npm pack --pack-destination /tmp)")
ENCODED = pasted("""python3 -c 'import getpass, urllib.parse; print(urllib.parse.quote(getpass.getpass(), safe=""))'""")
SIGNING = pasted('secret="whsec_$(openssl rand -base64 32)"')
EXPOSURE = pasted("systemd-analyze security --offline=true deploy/systemd/system/duckwatch-collector.service")
STACK = [
    pasted("sudo deploy/compose/secrets.sh"),
    pasted("sudo cat deploy/compose/secrets/grafana/admin_password"),
    pasted("sudo cat deploy/compose/secrets/duckwatch/token"),
    pasted("sudo rm -r deploy/compose/secrets"),
]
NEW_TOKENS = pasted(
    "openssl rand -hex 32 | sudo tee deploy/compose/secrets/duckwatch/token "
    "deploy/compose/secrets/zonemta/token > /dev/null"
)
HOST_TOKEN = pasted("sudo install -o root -g zone-mta -m 0640 token /etc/zone-mta/duckwatch.token")
OBSERVE = [
    pasted("sudo deploy/compose/secrets.sh observe"),
    pasted("sudo install -o 9626 -g 9626 -m 0400 /dev/stdin deploy/compose/secrets/duckwatch/mongo_uri"),
]
PROVISIONING = pasted("install -m 0640 grafana/generated/*.json /var/lib/grafana/dashboards/duckwatch/")
OVERLAY = pasted("cp -r deploy/kubernetes/overlays/kube-prometheus-stack deploy/kubernetes/overlays/production")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Yield an empty machine."""
    made = need(lambda: Machine(tmp_path_factory.mktemp("machine")))
    yield made
    made.remove()


def test_the_plugin_is_laid_out_for_zonemta(machine: Machine) -> None:
    """By the tutorial, and by the plugin's README."""
    for blocks in ([PLUGIN], PLUGIN_README):
        machine.shell("mkdir -p /opt/zone-mta/plugins /etc/zone-mta; echo a-token >token")
        for block in blocks:
            machine.paste(block)
        machine.shell("test -f /opt/zone-mta/plugins/zonemta-duckwatch/index.js; rm -r /opt/zone-mta")
        assert machine.shell("stat -c '%U %a' /var/spool/duckwatch").split() == ["zone-mta", "700"]
        machine.shell("rm -r /var/spool/duckwatch")
    machine.paste(HOST_TOKEN)
    assert machine.shell("stat -c '%G %a' /etc/zone-mta/duckwatch.token").split() == ["zone-mta", "640"]


def test_the_plugin_is_packed_and_unpacked(machine: Machine) -> None:
    """The package has the plugin at its top."""
    machine.paste(PACKED)
    folder = "/opt/zone-mta/plugins/zonemta-duckwatch"
    machine.shell(f"test -f {folder}/index.js; test -f {folder}/package.json; rm -r /opt/zone-mta")


def test_secrets_are_made_and_encoded(machine: Machine) -> None:
    """A password for a URI, and a secret for signatures."""
    assert machine.paste(ENCODED, "p@ss/word\n").endswith("p%40ss%2Fword\n")
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=\n", machine.shell(f'{SIGNING.text}echo "$secret"'))


def test_the_unit_is_as_closed_as_the_page_says(machine: Machine) -> None:
    """Systemd's own judgement of the unit."""
    assert re.search(r"exposure level.*: 1\.2 OK", machine.paste(EXPOSURE))


def test_the_secrets_of_the_stack_are_made_shown_and_removed(machine: Machine) -> None:
    """`.env` names their folder."""
    machine.paste(STACK[0])
    for shown in STACK[1:3]:
        assert re.fullmatch(r"[0-9a-f]{48}\n", machine.paste(shown))
    assert "DUCKWATCH_SECRETS=" in machine.shell("cat .env")
    before = machine.shell("cat deploy/compose/secrets/*/token")
    machine.paste(NEW_TOKENS)
    new = machine.shell("cat deploy/compose/secrets/*/token").split()
    assert len(new) == 2
    assert len({*new, *before.split()}) == 2
    assert machine.shell("stat -c '%u %a' deploy/compose/secrets/*/token").splitlines() == ["9626 400", "9587 400"]
    machine.paste(STACK[3])
    machine.shell("test ! -e deploy/compose/secrets; rm .env")


def test_the_secrets_beside_other_servers_are_made(machine: Machine) -> None:
    """The script reads the connection string; a further secret is the container's user's."""
    machine.paste(OBSERVE[0], "postgresql://duckwatch:PASSWORD-1@db.internal/duckwatch\n")
    machine.shell("test -f /etc/duckwatch.yml")
    machine.paste(OBSERVE[1], "mongodb://mongo.internal/\n")
    files = machine.shell("stat -c '%n %u:%g %a' deploy/compose/secrets/duckwatch/*").splitlines()
    assert {line.split(maxsplit=1)[1] for line in files} == {"9626:9626 400"}
    assert {"dsn", "mongo_uri", "token"} <= {line.split()[0].rpartition("/")[2] for line in files}
    machine.shell("rm -r deploy/compose/secrets .env")


def test_grafana_finds_its_files(machine: Machine) -> None:
    """Each has the mode that Grafana's image reads with its group."""
    machine.paste(PROVISIONING)
    found = machine.shell("find /var/lib/grafana /etc/grafana -type f -printf '%m %g %f\\n'").splitlines()
    assert {line.rpartition(" ")[0] for line in found} == {"640 root"}
    assert [line.rpartition(" ")[2] for line in found].count("duckwatch.yaml") == 2
    assert machine.shell("ls grafana/generated/*.json | wc -l") == machine.shell(
        "ls /var/lib/grafana/dashboards/duckwatch | wc -l"
    )


def test_an_overlay_is_copied(machine: Machine) -> None:
    """The overlay of one's own is beside the others, because it names their folders."""
    machine.paste(OVERLAY)
    machine.shell("test -f deploy/kubernetes/overlays/production/kustomization.yaml")
