"""The command `health`: asks a running service whether it is well. It imports the standard library only.

Container health checks run it every few seconds, so it must start fast and may not load the program's settings.
"""

from __future__ import annotations

import argparse
import http.client
import os
import ssl
import sys
import urllib.error
import urllib.request
from typing import IO, TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from duckwatch.base import output
from duckwatch.base.config.addresses import Endpoint, parse_listens

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WORD: Final = "health"
EXIT_FAILED: Final = 1
TIMEOUT_SECONDS: Final = 3.0
ANSWER_BYTES: Final = 4096
"""At most this much of the answer is shown."""

_UNSET: Final = "null"
_UNSETS: Final = (_UNSET, "")
"""What leaves a setting as it is: `null` unsets a key in the environment."""

_EVERY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - replaced, not bound


class HealthTarget(NamedTuple):
    """The service that is asked.

    `listen` and `certificate` are the environment variables of those settings; `port` is the default port.
    """

    program: str
    port: int
    route: str
    listen: str
    certificate: str | None = None

    def url(self, environ: Mapping[str, str]) -> str:
        """Return the URL to ask by default. Raise ValueError if the listening address cannot be read."""
        endpoint: Endpoint = Endpoint("127.0.0.1", self.port)
        listen, certificate = (environ.get(name or "", _UNSET) for name in (self.listen, self.certificate))
        if listen not in _UNSETS:
            endpoint = parse_listens(listen, self.port).each[0]
        scheme = "http" if certificate in _UNSETS else "https"
        return f"{scheme}://{Endpoint(_EVERY_ADDRESS.get(endpoint.host, endpoint.host), endpoint.port)}{self.route}"


def health_parser(target: HealthTarget) -> argparse.ArgumentParser:
    """Return the parser of the command alone, for a start without the rest of the program."""
    alone = argparse.ArgumentParser(prog=f"{target.program} {WORD}", description=describe(target))
    add_arguments(alone, target)
    return alone


def describe(target: HealthTarget) -> str:
    """Return the command's help in one sentence."""
    return f"ask the running service at {target.route}, for health checks; reads no configuration file"


def add_arguments(command: argparse.ArgumentParser, target: HealthTarget) -> None:
    """Add the arguments of the command to its parser."""
    command.add_argument(
        "--url",
        metavar="URL",
        help=f"what to ask; without it {target.route} at the address of {target.listen}, "
        f"else at 127.0.0.1:{target.port}",
    )


def main(target: HealthTarget, arguments: Sequence[str]) -> int:
    """Run the command, and return its exit code: 0 well, 1 not well or no answer, 2 wrong command line."""
    return output.guarded(target.program, lambda: ask(target, health_parser(target).parse_args(arguments).url))


def ask(target: HealthTarget, url: str | None) -> int:
    """Ask, print the answer, and return the exit code."""
    try:
        asked = url or target.url(os.environ)
        answer = _get(asked)
    except urllib.error.HTTPError as error:
        with error:
            output.complain(f"{target.program}: {asked} answers {error.code}: {_text(error)}")
        return EXIT_FAILED
    except (OSError, ValueError, http.client.HTTPException) as error:  # HTTPException: another server's answer
        output.complain(f"{target.program}: no answer: {error}")
        return EXIT_FAILED
    sys.stdout.write(f"{answer}\n")
    return 0


def _get(url: str) -> str:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("the URL must begin with http:// or https://")
    # No proxy of the environment: it would be asked for 127.0.0.1 as well.
    handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=_context(url))]
    with urllib.request.build_opener(*handlers).open(url, timeout=TIMEOUT_SECONDS) as answer:
        return _text(answer)


def _context(url: str) -> ssl.SSLContext:
    """Return the TLS settings. On loopback the certificate is not verified: it names the public host."""
    context = ssl.create_default_context()
    if Endpoint(urlsplit(url).hostname or "", 0).is_loopback:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _text(answer: IO[bytes]) -> str:
    return answer.read(ANSWER_BYTES).decode("utf-8", "replace").strip()
