"""IPv4 and IPv6 together: `[::]`, lists of addresses and host names, for HTTP and GELF, in both programs."""

from __future__ import annotations

import json
import socket
import urllib.request
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from collector.config import load
from collector.feeds.gelf.input import _is_in
from duckwatch.base.listening import open_sockets
from tests.servers.collector import Collector
from tests.servers.dnsbl import DnsblExporter
from tests.servers.process import free_port, wait_until

if TYPE_CHECKING:
    from pathlib import Path


def has_ipv6() -> bool:
    """Return True if this machine has ::1."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not has_ipv6(), reason="IPv6 is switched off on this machine")


def alive(host: str, port: int) -> bool:
    """Return True when /healthz answers at that address."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def everywhere(port: int) -> list[Any]:
    """Return the settings by which a server listens in both address families."""
    return [f"[::]:{port}", [f"127.0.0.1:{port}", f"[::1]:{port}"], [f"0.0.0.0:{port}", f"[::]:{port}"]]


@pytest.mark.parametrize("way", range(3))
def test_the_collector_and_its_gelf_take_both_families(
    postgres_dsn: str, tmp_path: Path, server_logs: Path, way: int
) -> None:
    """Collector and GELF take both families, and an IPv4 network in `allow` admits an IPv4 sender on any socket."""
    http, gelf = free_port(), free_port()
    settings = {
        "listen": everywhere(http)[way],
        "gelf": {
            "udp": everywhere(gelf)[way],
            "tcp": everywhere(gelf)[way],
            "allow": ["127.0.0.0/8", "::1"],
        },
    }
    collector = Collector(tmp_path / "collector", server_logs, postgres_dsn, settings)
    collector.port = http
    collector.start()
    try:
        assert alive("127.0.0.1", http)
        assert alive("[::1]", http)
        for number, (family, host) in enumerate([(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]):
            message = {"_mail_action": "queued", "_queue_id": f"q{number}", "_to": "a@b.example"}
            with socket.socket(family, socket.SOCK_DGRAM) as sender:
                sender.sendto(json.dumps(message).encode(), (host, gelf))
            with socket.create_connection((host, gelf)) as line:
                line.sendall(json.dumps(message | {"_queue_id": f"t{number}"}).encode() + b"\0")
        taken = (("result", "taken"),)
        wait_until(
            lambda: collector.metrics().get("duckwatch_gelf_messages_total", {}).get(taken) == 4, "all four are taken"
        )
    finally:
        assert collector.stop() == 0


@pytest.mark.parametrize("way", range(3))
def test_the_dnsbl_exporter_takes_both_families(tmp_path: Path, server_logs: Path, way: int) -> None:
    """The exporter serves page, metrics and probes in both families."""
    port = free_port()
    settings = {"listen": everywhere(port)[way], "resolvers": ["127.0.0.1:9"], "lists": ["bl.example"]}
    exporter = DnsblExporter(tmp_path, server_logs, settings)
    exporter.port = port
    exporter.start()
    try:
        assert alive("127.0.0.1", port)
        assert alive("[::1]", port)
    finally:
        assert exporter.stop() == 0


def test_a_host_name_listens_on_each_of_its_addresses() -> None:
    """A host name listens on each of its addresses, also for datagrams, and its sockets of port 0 share one port."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        listen = load(None, {"DUCKWATCH_COLLECTOR__LISTEN": "localhost:0"}).collector.listen
        with ExitStack() as stack:
            names = [stack.enter_context(one).getsockname() for one in open_sockets(listen, kind)]
        assert len({name[1] for name in names}) == 1
        assert {name[0] for name in names} <= {"127.0.0.1", "::1"}


def test_an_address_that_is_not_this_machines_is_named() -> None:
    """The address of a list that this machine does not have is named, and no socket stays open."""
    value = '["127.0.0.1:0", "[2001:db8::1]:0"]'
    token = {"DUCKWATCH_COLLECTOR__AUTH__TOKENS": '[{"token": "abcdefghijkl"}]'}
    listen = load(None, {"DUCKWATCH_COLLECTOR__LISTEN": value, **token}).collector.listen
    with pytest.raises(OSError, match="Cannot assign requested address; if IPv6 is switched off") as error:
        open_sockets(listen, socket.SOCK_STREAM)
    assert error.value.filename == "[2001:db8::1]:0"


def test_a_network_admits_its_addresses_in_either_form() -> None:
    """A network admits its addresses in IPv4 form and in the form ::ffff:… of an IPv6 socket."""
    gelf = load(None, {"DUCKWATCH_COLLECTOR__GELF": '{"udp": "[::]:0", "allow": ["10.0.0.0/8", "fe80::/10"]}'})
    allow = gelf.collector.gelf.allow  # type: ignore[union-attr]
    admitted = ["10.1.2.3", "::ffff:10.1.2.3", "fe80::1%lo"]
    assert [_is_in(allow, one) for one in [*admitted, "11.0.0.1", "::ffff:11.0.0.1", "::1"]] == [True] * 3 + [False] * 3
