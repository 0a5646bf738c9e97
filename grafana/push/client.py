"""Sends the requests of a push to Grafana, and says in one sentence why one got no usable answer."""

from __future__ import annotations

import contextlib
import json
import ssl
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import msgspec

from duckwatch.base.errors import DuckwatchError
from grafana.push.answers import RefusalReason
from grafana.push.text import shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import SecretStr

    from grafana.fields import Json

PATIENCE_SECONDS: Final = 30.0
"""The time limit of a request with its answer."""

MOST_BYTES: Final = 32 << 20
"""The byte limit of an answer: 5000 dashboards in a search are about 2 MB."""

T = TypeVar("T")

REFUSALS: Final = (400, 403, 404, 409, 412, 413, 422)
"""The statuses that say something about one folder or dashboard."""


class GrafanaError(DuckwatchError):
    """Grafana cannot be used for a push. The text says why, and what to change."""


class Answer(NamedTuple):
    """The status of an answer, and its body: 200, or one of REFUSALS."""

    status: int
    body: bytes

    @property
    def complaint(self) -> RefusalReason:
        """The reason of a refusal; empty when the body has none."""
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return msgspec.json.decode(self.body, type=RefusalReason)
        return RefusalReason()


class GrafanaApi:
    """The API of one Grafana. `url` is its root, without a slash at the end."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: SecretStr) -> None:
        self._session = session
        self._url = url
        self._token = token.get_secret_value()

    async def get(self, path: str, kind: type[T]) -> T:
        """Return the decoded answer. Raise GrafanaError when it is not a 200 of this form."""
        return self.decoded(path, await self.ask("GET", path), kind)

    async def greet(self, path: str, kind: type[T]) -> T:
        """Return the decoded answer to a request without the token. Raise as `get` does."""
        return self.decoded(path, await self._request("GET", path, None, {}), kind)

    async def ask(self, method: str, path: str, body: Json | None = None) -> Answer:
        """Return an answer with a status of 200 or of REFUSALS. Raise GrafanaError for any other."""
        return await self._request(method, path, body, {"Authorization": f"Bearer {self._token}"})

    def decoded(self, path: str, answer: Answer, kind: type[T]) -> T:
        """Return the body of a 200 as `kind`. Raise GrafanaError for a refusal and for any other form."""
        if answer.status != 200:
            raise self._error(path, f"status {answer.status}{self.reason(answer)}")
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except RecursionError:
            raise self._error(path, "the answer is nested too deeply for one of Grafana's") from None
        except (msgspec.MsgspecError, UnicodeDecodeError):
            what = "HTML" if answer.body.lstrip()[:1] == b"<" else "something else"
            raise self._error(path, f"the answer is {what}, not JSON of Grafana's API; is the URL right?") from None

    def reason(self, answer: Answer) -> str:
        """Return Grafana's reason for a refusal behind a colon, or an empty text. It never has the token."""
        message = answer.complaint.message.replace(self._token, "<token>")
        return f": {shown(message)}" if message else ""

    async def _request(self, method: str, path: str, body: Json | None, headers: dict[str, str]) -> Answer:
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        more = {"Accept": "application/json", "Accept-Encoding": "identity", "Content-Type": "application/json"}
        try:
            async with self._session.request(
                method, self._url + path, data=data, headers=headers | more, allow_redirects=False
            ) as response:
                return await self._read(path, response)
        except TimeoutError:
            raise self._error(path, f"no answer within {PATIENCE_SECONDS:g} seconds") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._error(path, _why(error)) from None

    async def _read(self, path: str, response: aiohttp.ClientResponse) -> Answer:
        status = response.status
        if 300 <= status < 400:
            where = response.headers.get("Location", "").partition("?")[0].replace(self._token, "<token>")
            raise self._error(path, f"it redirects to {shown(where)}; set the URL to where Grafana itself answers")
        body = bytearray()
        while chunk := await response.content.read(1 << 16):
            body += chunk
            if len(body) > MOST_BYTES:
                raise self._error(path, f"the answer has more than {MOST_BYTES >> 20} MiB; is the URL right?")
        answer = Answer(status, bytes(body))
        if status == 401:
            raise self._error(
                path, f"the token is wrong or expired, or its service account is disabled{self.reason(answer)}"
            )
        if status != 200 and status not in REFUSALS:
            raise self._error(path, f"status {status}{self.reason(answer)}")
        return answer

    def _error(self, path: str, problem: str) -> GrafanaError:
        return GrafanaError(f"{self._url}{path.partition('?')[0]}: {problem}")


@contextlib.asynccontextmanager
async def connected(url: str, token: SecretStr) -> AsyncIterator[GrafanaApi]:
    """Give the API of the Grafana at `url`. Its certificate must be of a CA of the system or of SSL_CERT_FILE."""
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context())
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as one:
        yield GrafanaApi(one, url, token)


def _why(error: Exception) -> str:
    """Return what is wrong with the connection, without any text that came over it."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "")
            return f"its certificate is not trusted ({reason}); name the file of its CA in SSL_CERT_FILE"
        case aiohttp.ClientConnectorSSLError():
            return "the TLS handshake failed; does this port speak HTTPS?"
        case aiohttp.ClientConnectorDNSError():
            return "its host name has no address"
        case aiohttp.ClientConnectorError():
            return f"no connection: {error.os_error.strerror or 'refused'}"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | ConnectionError():
            return "the connection broke before the end of the answer"
        case _:
            return "the answer is not HTTP"


def path_of(*parts: str, **query: str | int) -> str:
    """Return a path with each part quoted, and its query."""
    path = "/".join(quote(part, safe="") for part in parts)
    return f"/api/{path}" + (f"?{urlencode(query)}" if query else "")
