"""Make the token with which the collector pushes to Grafana Live. docker-compose.yml runs this before the collector.

Grafana's provisioning files know no service accounts, so this asks Grafana's API with the administrator's password.
The token is only in the file. A token that works already is kept; one that Grafana refuses is replaced.
Standard library only.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

ACCOUNT: Final = "duckwatch-live"
TIMEOUT_SECONDS: Final = 10.0
TRIES: Final = 30
PAUSE_SECONDS: Final = 2.0


class Grafana:
    """Grafana's API with one credential."""

    def __init__(self, url: str, authorization: str) -> None:
        self._url, self._authorization = url.rstrip("/"), authorization

    def call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Return the answer's JSON. Raise urllib.error.HTTPError or OSError."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": self._authorization, "Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, data, headers, method=method)  # noqa: S310 - the URL of the command line
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            return json.load(answer)


def is_accepted(url: str, token: str) -> bool:
    """Return True if Grafana takes the token. Raise OSError if it does not answer."""
    try:
        Grafana(url, f"Bearer {token}").call("GET", "/api/org")
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            return False
        raise
    return True


def make_token(url: str, password: str) -> str:
    """Return a new token of the service account, which is made if it is missing. Raise OSError."""
    basic = base64.b64encode(f"admin:{password}".encode()).decode()
    grafana = Grafana(url, f"Basic {basic}")
    found = grafana.call("GET", f"/api/serviceaccounts/search?query={ACCOUNT}")["serviceAccounts"]
    account = next((one for one in found if one["name"] == ACCOUNT), None)
    if account is None:
        account = grafana.call("POST", "/api/serviceaccounts", {"name": ACCOUNT, "role": "Editor"})
    # Names of tokens are unique, and the token before this one may still be there.
    name = f"collector-{int(time.time())}"
    token: str = grafana.call("POST", f"/api/serviceaccounts/{account['id']}/tokens", {"name": name})["key"]
    return token


def write(file: Path, token: str) -> None:
    """Write the token, so that nobody sees half of it, and only the owner reads it."""
    new = file.with_name(f"{file.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o400), "w", encoding="ascii") as stream:
        stream.write(f"{token}\n")
    new.replace(file)


def ensure(url: str, password: str, file: Path) -> str:
    """Leave a token that works in the file, and return what was done. Raise OSError."""
    if file.exists() and is_accepted(url, file.read_text(encoding="ascii").strip()):
        return "the token is there already"
    write(file, make_token(url, password))
    return "a token was made"


def main() -> int:
    """Run the command. Return its exit code."""
    parser = argparse.ArgumentParser(description="Make the token with which the collector pushes to Grafana Live.")
    parser.add_argument("--url", required=True, metavar="URL", help="Grafana")
    parser.add_argument(
        "--password-file", required=True, type=Path, metavar="FILE", help="the administrator's password"
    )
    parser.add_argument("--token-file", required=True, type=Path, metavar="FILE", help="where the token is kept")
    options = parser.parse_args()
    password = options.password_file.read_text(encoding="utf-8").strip()
    for left in range(TRIES - 1, -1, -1):
        try:
            sys.stdout.write(f"{ensure(options.url, password, options.token_file)}\n")
        except urllib.error.HTTPError as error:
            sys.stderr.write(f"Grafana answers {error.code} at {error.url}\n")
            if error.code < 500:
                return 1
        except OSError as error:
            sys.stderr.write(f"no answer of Grafana at {options.url}: {error}\n")
        else:
            return 0
        if left:
            time.sleep(PAUSE_SECONDS)
    return 1


if __name__ == "__main__":
    sys.exit(main())
