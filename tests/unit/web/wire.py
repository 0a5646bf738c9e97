"""HTTP as bytes on a socket, so that tests can send what no client library would."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests import canaries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, with header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def post(body: bytes, *headers: str, path: str = "/api/events/ingest") -> bytes:
    """Return a POST with its length."""
    return head(f"POST {path}", f"Content-Length: {len(body)}", *headers) + body


def head(request: str, *headers: str) -> bytes:
    return "\r\n".join([f"{request} HTTP/1.1", "Host: test", *headers, "", ""]).encode("latin-1")


class Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self, *, has_body: bool = True) -> Reply:
        async with asyncio.timeout(PATIENCE_SECONDS):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:-2])}
            length = int(headers.get("content-length", 0)) if has_body else 0
            body = await self.reader.readexactly(length)
            canaries.hear("answer", body)
            return Reply(int(lines[0].split()[1]), headers, body)

    async def ask(self, data: bytes) -> Reply:
        await self.send(data)
        return await self.receive()

    async def is_closed(self) -> bool:
        """Wait until the server closes the connection, and discard what it sends."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                while await self.reader.read(65536):
                    pass
            except ConnectionError:
                pass
        return True


@asynccontextmanager
async def connect(port: int) -> AsyncIterator[Line]:
    """Open a connection to the server on loopback."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Line(reader, writer)
    finally:
        writer.close()


async def ask(port: int, data: bytes) -> Reply:
    """Send one request on a new connection. Return the answer."""
    async with connect(port) as line:
        return await line.ask(data)
