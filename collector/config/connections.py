"""Checks connection strings of PostgreSQL and MongoDB: whether they mean what the operator intended, and whether their
files can be used.

If a password is not percent-encoded, a driver takes a part of it as host or database, and shows it in messages.
Such a URI is a fault, and no message here quotes any part of a string.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    from collections.abc import Mapping

POSTGRES_SCHEMES: Final = ("postgresql://", "postgres://")
MONGO_SCHEMES: Final = ("mongodb://", "mongodb+srv://")

ENCODE: Final = (
    "in a user or password write % as %25, @ as %40, : as %3A, / as %2F, ? as %3F, # as %23, and a space as %20"
)
QUOTE: Final = (
    "in the form key=value put a value with a space in single quotes, and write ' as \\' and \\ as \\\\ everywhere"
)
POSTGRES_FORM: Final = "must be a PostgreSQL connection string like postgresql://user:password@host:5432/database"
MONGO_FORM: Final = "must be a MongoDB connection string like mongodb://user:password@host/?replicaSet=rs0"

_HOST: Final = re.compile(r"[/@].*|[A-Za-z0-9_.:%-]*", re.DOTALL)
"""The folder of a socket, an abstract socket, a name or an address (IPv6 with or without zone). Empty: the default."""
_ESCAPED: Final = re.compile(r"([^\\]|\\[\\'\s])*", re.DOTALL)
"""Text in which a backslash precedes only `\\`, `'` or white space. libpq silently drops any other backslash."""
_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_PORTS: Final = range(1, 65_536)

_MONGO_AUTHORITIES: Final = ("tlscafile", "ssl_ca_certs")
_MONGO_KEYS: Final = ("tlscertificatekeyfile", "ssl_certfile", "ssl_keyfile")
_MONGO_KEY_PASSWORDS: Final = ("tlscertificatekeyfilepassword", "ssl_pem_passphrase")
_MONGO_REVOKED: Final = ("tlscrlfile", "ssl_crlfile")


def check_postgres(text: str) -> None:
    """Raise ValueError, which says what to write, for a string that libpq cannot read or probably misreads."""
    is_uri = text.startswith(POSTGRES_SCHEMES)
    advice = ENCODE if is_uri or "://" in text else QUOTE
    try:
        known = conninfo_to_dict(text)
    except ProgrammingError:  # libpq's own message quotes the string, password and all
        known = {}
    if not known:
        raise ValueError(f"{POSTGRES_FORM}; {advice}")
    if (is_uri and has_stray_at(text)) or (not is_uri and not _ESCAPED.fullmatch(text)):
        raise ValueError(f"{POSTGRES_FORM}; {advice}")
    hosts, ports = (str(known.get(key, "")).split(",") for key in ("host", "port"))
    if not all(map(_HOST.fullmatch, hosts)) or not all(port == "" or _is_port(port) for port in ports):
        raise ValueError(f"{POSTGRES_FORM}, with a port from 1 to 65535; {advice}")
    if len(ports) > 1 and len(ports) != max(len(hosts), str(known.get("hostaddr", "")).count(",") + 1):
        raise ValueError("must name one port for all hosts, or one for each host")
    _check_postgres_tls(known)


def check_mongo(text: str) -> None:
    """Raise ValueError, which says what to write, for a string that the driver cannot use.
    A `mongodb+srv` string is not parsed, because that needs a DNS query.
    """
    if not text.startswith(MONGO_SCHEMES):
        raise ValueError(MONGO_FORM)
    if has_stray_at(text):
        raise ValueError(f"{MONGO_FORM}; {ENCODE}")
    _check_mongo_tls(text)
    if text.startswith("mongodb+srv://"):
        return
    from pymongo.errors import PyMongoError  # noqa: PLC0415  # not even imported where it is not used
    from pymongo.uri_parser import parse_uri  # noqa: PLC0415

    try:
        parse_uri(text)
    except (PyMongoError, ValueError, OSError):
        # Its own message may quote the string.
        raise ValueError(f"{MONGO_FORM}, with options that MongoDB knows; {ENCODE}") from None


def check_url(text: str) -> None:
    """Raise ValueError, which says what to write, for a text that is not the URL of a server.

    The URL may have a user and a password.
    """
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.query
    except ValueError:
        is_good = False
    if not is_good or has_stray_at(text):
        raise ValueError(
            f"must be a URL like http://127.0.0.1:9090 or https://user:password@prometheus.example; {ENCODE}"
        )


def has_stray_at(uri: str) -> bool:
    """Return True if the URI has an @ in a wrong place: a second one before the host, or one behind a slash.
    The options behind the ? may hold an @ (`user=name@tenant`).
    """
    rest = uri.partition("://")[2]
    # As libpq does: user and password end at the first @, if that comes before a slash.
    credentials, is_there, place = rest.partition("@")
    if not is_there or "/" in credentials:
        place = rest
    return "@" in place.partition("?")[0]


def check_certificates(path: Path, what: str = "") -> None:
    """Raise ValueError if `path` does not hold certificates in PEM form.
    `what` is the option that names the file, if it has no key of ours.
    """
    _check_readable(path, what)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:
        raise _wrong(what, "must name a file with certificates in PEM form (-----BEGIN CERTIFICATE-----)") from None


def check_pair(certificate: Path, key: Path | None, what: str = "", password: str = "") -> None:
    """Raise ValueError if the key (None: in the same file) does not belong to the certificate.
    `what` is as in `check_certificates`.
    """
    _check_readable(key or certificate, what)
    try:
        # With no password, an encrypted key is a fault too; without this OpenSSL would ask the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, lambda: password)
    except OSError:
        rule = (
            "must be the unencrypted key of its certificate, a PEM file: "
            "`openssl pkey -in OLD -out NEW` takes a password away"
        )
        raise _wrong(what, rule) from None


def _wrong(what: str, problem: str) -> ValueError:
    return ValueError(f"{what} {problem}".lstrip())


def _check_readable(path: Path, what: str) -> None:
    try:
        with path.open("rb") as file:
            file.read(1)
    except FileNotFoundError:
        raise _wrong(what, "names a file that is missing: put it there, or correct the path") from None
    except IsADirectoryError:
        raise _wrong(what, "names a folder, not a file") from None
    except (OSError, ValueError):
        raise _wrong(what, "names a file that this user cannot read: chown or chmod it") from None


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) in _PORTS


def _check_postgres_tls(known: Mapping[str, object]) -> None:
    mode = known.get("sslmode")
    if mode is not None and mode not in _SSL_MODES:
        raise ValueError(f"has an sslmode that PostgreSQL does not know: it must be one of {', '.join(_SSL_MODES)}")
    authorities = str(known.get("sslrootcert") or "")
    if authorities and authorities != "system" and mode not in ("disable", "allow"):
        check_certificates(Path(authorities), "sslrootcert")
    certificate, key = (str(known.get(name) or "") for name in ("sslcert", "sslkey"))
    if certificate:
        check_certificates(Path(certificate), "sslcert")
    if certificate and key:
        check_pair(Path(certificate), Path(key), "sslkey", str(known.get("sslpassword") or ""))
    passwords = str(known.get("passfile") or "")
    if passwords:
        _check_passwords(Path(passwords))


def _check_passwords(path: Path) -> None:
    _check_readable(path, "passfile")
    if path.stat().st_mode & 0o077:
        raise ValueError("passfile names a file that others may read, which PostgreSQL's library ignores: chmod 600 it")


def _check_mongo_tls(text: str) -> None:
    # Only the options that name files; the driver checks all others.
    options = {name.lower(): values[-1] for name, values in parse_qs(text.partition("?")[2]).items()}
    password = next((options[name] for name in _MONGO_KEY_PASSWORDS if name in options), "")
    for name, path in options.items():
        what = {"tlscafile": "tlsCAFile", "tlscertificatekeyfile": "tlsCertificateKeyFile"}.get(name, name)
        if name in _MONGO_AUTHORITIES:
            check_certificates(Path(path), what)
        elif name == "tlscertificatekeyfile":
            check_pair(Path(path), None, what, password)
        elif name in _MONGO_KEYS or name in _MONGO_REVOKED:
            _check_readable(Path(path), what)
