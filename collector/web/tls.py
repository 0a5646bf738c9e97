"""The certificate that the server shows, and how it is renewed without a restart."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Certificate:
    """A TLS context (1.2 and newer) whose certificate can be exchanged:
    connections made afterwards are shown the new one.

    Raises OSError (`ssl.SSLError` is one) for files that are no chain and its key, also from `load`,
    which then changes nothing.
    """

    def __init__(self, chain: Path, key: Path) -> None:
        self.context = _context()
        self.load(chain, key)

    def load(self, chain: Path, key: Path) -> None:
        """Take the chain and the key of these PEM files."""
        # `str` gives no password: an encrypted key is an error, where OpenSSL would ask the terminal.
        # A pair that does not match would leave half of it in the context: first tried in one that nobody uses.
        _context().load_cert_chain(chain, key, str)
        self.context.load_cert_chain(chain, key, str)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
