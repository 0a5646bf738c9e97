"""The server's certificate, and secrets that are renewed while it serves."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import shutil
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
import yaml

from collector.config import SettingsFiles
from collector.web.renewal import Renewal
from duckwatch.base.config.addresses import Endpoint
from duckwatch.base.errors import ConfigError
from tests.unit.web.conftest import TOKEN, events, until
from tests.unit.web.wire import Line, ask, connect, post

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.web.conftest import ServedCollector, ServerStarter

FILES = Path(__file__).parents[2] / "fixtures" / "tls"
"""Two self-signed certificates for localhost, valid for a hundred years, and an encrypted key."""


def install(folder: Path, name: str) -> dict[str, str]:
    """Install a certificate. Return the section `tls`."""
    for suffix in ("pem", "key"):
        shutil.copyfile(FILES / f"{name}.{suffix}", folder / f"server.{suffix}.new")
        (folder / f"server.{suffix}.new").rename(folder / f"server.{suffix}")
    return {"certificate": str(folder / "server.pem"), "key": str(folder / "server.key")}


def trusted(name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(FILES / f"{name}.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def ask_over_tls(port: int, name: str, request: bytes) -> int:
    """Return the status for a client that trusts only this certificate."""
    reader, writer = await asyncio.open_connection("localhost", port, ssl=trusted(name))
    try:
        return (await Line(reader, writer).ask(request)).status
    finally:
        writer.close()


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}"


async def test_with_a_certificate_the_server_speaks_tls_only(serve: ServerStarter, tmp_path: Path) -> None:
    """With a certificate the server uses only TLS; plain HTTP gets no answer."""
    async with serve(tls=install(tmp_path, "one")) as served:
        assert await ask_over_tls(served.port, "one", post(events(), bearer(TOKEN))) == 202
        assert await ask_over_tls(served.port, "one", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n") == 200
        async with connect(served.port) as line:
            await line.send(post(events(), bearer(TOKEN)))
            assert await line.is_closed()
        assert await ask_over_tls(served.port, "one", post(events(), bearer(TOKEN))) == 202


LIMIT = 20


async def silent(port: int, count: int) -> list[Line]:
    """Open connections that never begin their handshake."""
    return [Line(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(count)]


def leave(*lines: Line) -> None:
    """Close them."""
    for line in lines:
        line.writer.close()


async def hung_up(lines: list[Line]) -> list[bool]:
    """Return the ones that the server has closed, after a short wait."""

    async def is_gone(line: Line) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                return await line.is_closed()
        return False

    return await asyncio.gather(*map(is_gone, lines))


async def handshakes_count_as_connections(serve: ServerStarter, folder: Path) -> None:
    """Run the steps of `test_handshakes_count_as_connections`."""
    async with serve(tls=install(folder, "one"), limits={"connections": LIMIT}) as served:
        lines = await silent(served.port, 20 * LIMIT)
        await until(lambda: len(served.server._socket._shaking) == LIMIT)  # type: ignore[union-attr]
        assert await hung_up(lines) == [True] * 19 * LIMIT + [False] * LIMIT
        assert await ask_over_tls(served.port, "one", post(events(), bearer(TOKEN))) == 202
        leave(*lines)
        await until(lambda: not served.server._socket._shaking)  # type: ignore[union-attr]
        assert await ask_over_tls(served.port, "one", post(events(), bearer(TOKEN))) == 202
    assert len(served.submitted) == 2


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_handshakes_count_as_connections(
    serve: ServerStarter, tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Handshakes count as connections, and a new one over the limit replaces the oldest."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(handshakes_count_as_connections(serve, tmp_path))


async def test_a_handshake_without_end_makes_room(serve: ServerStarter, tmp_path: Path) -> None:
    """A handshake without end is closed after its time, a connection without TLS at once."""
    async with serve(tls=install(tmp_path, "one"), limits={"connections": 2}, handshake_seconds=0.3) as served:
        reader, writer = await asyncio.open_connection("localhost", served.port, ssl=trusted("one"))
        open_line = Line(reader, writer)
        assert (await open_line.ask(post(events(), bearer(TOKEN)))).status == 202
        lines = await silent(served.port, 2)
        assert await hung_up([lines[0]]) == [True]
        assert await lines[1].is_closed()
        assert (await open_line.ask(post(events(), bearer(TOKEN)))).status == 202
        await until(lambda: not served.server._socket._shaking)  # type: ignore[union-attr]
        assert await ask_over_tls(served.port, "one", post(events(), bearer(TOKEN))) == 202
        leave(open_line, *lines)


async def test_handshakes_under_way_do_not_hold_up_the_end(serve: ServerStarter, tmp_path: Path) -> None:
    """A stop ends the handshakes under way."""
    async with serve(tls=install(tmp_path, "one")) as served:
        (line,) = await silent(served.port, 1)
        await until(lambda: served.server._socket._shaking)  # type: ignore[union-attr]
        await served.server.stop(20)
        assert await line.is_closed()
        leave(line)


async def test_a_port_that_is_taken_is_an_oserror_with_tls_too(serve: ServerStarter, tmp_path: Path) -> None:
    """A port in use raises OSError with TLS too."""
    tls = install(tmp_path, "one")
    async with serve(tls=tls) as served, serve(tls=tls) as other:
        first = other.server._socket
        with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
            await other.server.start(Endpoint("127.0.0.1", served.port))
        assert first is not None
        first.close()


async def test_old_protocols_are_refused(serve: ServerStarter, tmp_path: Path) -> None:
    """TLS 1.1 and older (RFC 8996) are refused."""
    old = trusted("one")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with serve(tls=install(tmp_path, "one")) as served:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("localhost", served.port, ssl=old)


async def test_a_large_body_over_tls_is_taken(serve: ServerStarter, tmp_path: Path) -> None:
    """A large body over TLS, in many records, is accepted."""
    async with serve(tls=install(tmp_path, "one")) as served:
        body = events(1000, filler="x" * 3000)
        assert await ask_over_tls(served.port, "one", post(body, bearer(TOKEN))) == 202


@pytest.mark.parametrize(
    ("certificate", "key", "problem"),
    [
        ("one.pem", "two.key", r"key: must be the unencrypted key"),
        ("one.pem", "encrypted.key", r"key: must be the unencrypted key"),
        ("one.pem", "nothing.key", r"key: names a file that is missing"),
        ("one.pem", ".", r"key: names a folder"),
        ("nothing.pem", "one.key", r"certificate: names a file that is missing"),
        ("one.key", "one.key", r"certificate: must name a file with certificates in PEM form"),
    ],
)
def test_a_pair_that_is_none_is_a_fault_of_the_configuration(certificate: str, key: str, problem: str) -> None:
    """A certificate and key that do not match, or an encrypted key, are a fault of the configuration."""
    section = {"certificate": str(FILES / certificate), "key": str(FILES / key)}
    with pytest.raises(ConfigError, match=rf"collector\.tls\.{problem}"):
        SettingsFiles(None, {"DUCKWATCH_COLLECTOR__TLS": json.dumps(section)}).load()


@pytest.mark.parametrize("alone", ["certificate", "key"])
def test_certificate_and_key_go_together(alone: str) -> None:
    """A certificate without a key, or a key without a certificate, is a fault."""
    with pytest.raises(ConfigError, match=r"collector\.tls\.key: must be set together"):
        SettingsFiles(None, {f"DUCKWATCH_COLLECTOR__TLS__{alone.upper()}": str(FILES / "one.pem")}).load()


class RenewedServer:
    """A server with token, secret and certificate in files, and a `Renewal` with a short interval."""

    def __init__(self, served: ServedCollector, folder: Path) -> None:
        self.served, self.folder = served, folder
        self.config = folder / "duckwatch.yml"

    def write(self, name: str, text: str) -> str:
        (self.folder / f"{name}.new").write_text(text, encoding="utf-8")
        (self.folder / f"{name}.new").rename(self.folder / name)
        return str(self.folder / name)

    def configure(self, **section: Any) -> None:
        self.config.write_text(yaml.safe_dump({"collector": section}), encoding="utf-8")

    async def status(self, token: str, certificate: str = "one") -> int:
        return await ask_over_tls(self.served.port, certificate, post(events(), bearer(token)))

    def is_good(self) -> bool:
        return self.served.count("duckwatch_config_last_reload_successful") == 1


async def test_files_that_change_are_taken_without_a_restart(
    serve: ServerStarter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Changed token and certificate files are used without a restart; bad ones keep the old, and are shown."""
    tls = install(tmp_path, "one")
    async with serve(tls=tls) as served:
        renewed = RenewedServer(served, tmp_path)
        auth = {"tokens": [{"token_file": renewed.write("token", "first-token\n"), "cluster": "eu1"}]}
        renewed.configure(tls=tls, auth=auth)
        files = SettingsFiles(renewed.config, {})
        served.server.renew(files.load().collector)
        renewal = Renewal(files, served.server, served.metrics, look_seconds=0.02)
        running = asyncio.create_task(renewal.run())
        assert [await renewed.status(token) for token in (TOKEN, "first-token")] == [401, 202]

        renewed.write("token", "second-token")
        await until(lambda: served.server._authenticator._known[0][0] == _digest("second-token"))
        assert [await renewed.status(token) for token in ("first-token", "second-token")] == [401, 202]

        install(tmp_path, "two")
        await asyncio.sleep(0.3)
        assert await renewed.status("second-token", "two") == 202
        with pytest.raises(ssl.SSLCertVerificationError):
            await renewed.status("second-token", "one")

        renewed.write("server.key", "no key")
        await until(lambda: not renewed.is_good())
        assert await renewed.status("second-token", "two") == 202
        install(tmp_path, "one")
        await until(renewed.is_good)
        assert await renewed.status("second-token", "one") == 202

        renewed.configure(tls=tls, auth={"tokens": [{"token": "third-token"}]})
        await asyncio.sleep(0.2)
        assert await renewed.status("third-token") == 401
        renewal.ask()
        await until(lambda: served.server._authenticator._known[0][0] == _digest("third-token"))
        assert [await renewed.status(token) for token in ("second-token", "third-token")] == [401, 202]
        running.cancel()
    assert "not renewed" in caplog.text
    assert not [word for word in ("first-token", "second-token", "third-token") if word in caplog.text]


async def test_a_stop_that_meets_a_sighup_is_heard(serve: ServerStarter) -> None:
    """A stop during a SIGHUP's renewal ends the renewal at any step."""
    async with serve() as served:
        for steps in range(8):
            renewal = Renewal(SettingsFiles(None, {}), served.server, served.metrics, look_seconds=60)
            running = asyncio.create_task(renewal.run())
            await asyncio.sleep(0.01)
            renewal.ask()
            for _ in range(steps):
                await asyncio.sleep(0)
            running.cancel()
            _, pending = await asyncio.wait([running], timeout=5)
            assert not pending, steps


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def test_who_stays_keeps_its_debt(serve: ServerStarter) -> None:
    """A renewal of other tokens keeps a token's rate debt."""
    async with serve(limits={"events_per_second": 5}) as served:
        assert (await ask(served.port, post(events(100), bearer(TOKEN)))).status == 202
        more = json.dumps([{"token": TOKEN, "cluster": "eu1"}, {"token": "other"}])
        served.server.renew(SettingsFiles(None, {"DUCKWATCH_COLLECTOR__AUTH__TOKENS": more}).load().collector)
        assert (await ask(served.port, post(events(), bearer(TOKEN)))).status == 429
        assert (await ask(served.port, post(events(), bearer("other")))).status == 202
