"""The TLS certificate of the server, which can be replaced without a restart."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Certificate:
    """A TLS context (1.2 and newer). After `load`, new connections get the new certificate.

    The constructor and `load` raise OSError (`ssl.SSLError` is one) if the files are not a chain and its key.
    `load` then changes nothing.
    """

    def __init__(self, chain: Path, key: Path) -> None:
        self.context = _context()
        self.load(chain, key)

    def load(self, chain: Path, key: Path) -> None:
        """Load the chain and the key from these PEM files."""
        # `str` returns an empty password: an encrypted key is an error. Without it, OpenSSL would ask the terminal.
        # A pair that does not match would leave a context with half of it, so a context that is thrown away is first.
        _context().load_cert_chain(chain, key, str)
        self.context.load_cert_chain(chain, key, str)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
