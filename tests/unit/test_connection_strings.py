"""Connection strings that a driver would misread are faults, and no part of them is shown."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from collector.config.connections import ENCODE, QUOTE, check_mongo, check_postgres

FILES = Path(__file__).parents[1] / "fixtures" / "tls"
PARTS = ("Fir5t", "Secr3t", "Th1rd")


def refusal(check: object, text: str) -> str:
    """Return the fault of a string that must be refused."""
    assert callable(check)
    with pytest.raises(ValueError, match=r".") as error:
        check(text)
    said = str(error.value)
    assert not any(part in said for part in PARTS)
    return said


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://dw:Fir5t@Secr3t/Th1rd@127.0.0.1:1/mail",
        "postgresql://dw:Fir5t@Secr3t@127.0.0.1/mail",
        "postgresql://dw:Fir5t/Secr3t@127.0.0.1/mail",
        "postgresql://dw:1234/Secr3t@127.0.0.1/mail",
        "postgresql://dw:Fir5t/Secr3t?Th1rd@127.0.0.1/mail",
        "postgresql://dw:Fir5t%Secr3t@127.0.0.1/mail",
        "postgresql://dw:Fir5t Secr3t@127.0.0.1/mail",
        "postgresql://dw:Fir5t@Secr3t@db1,db2/mail?target_session_attrs=read-write",
        "postgresql://dw:Fir5t@db1,dw:Secr3t@db2/mail",
        "postgres://dw@tenant:Fir5t@127.0.0.1/mail",
        "postgresql+psycopg://dw:Fir5t@127.0.0.1/mail",
        "postgresql://127.0.0.1:Fir5t/mail",
    ],
)
def test_a_password_that_is_not_encoded_is_refused_with_what_to_encode(uri: str) -> None:
    """An unencoded password is refused with what to encode: libpq would read its rest as host, port or database."""
    assert ENCODE in refusal(check_postgres, uri)


@pytest.mark.parametrize(
    "text",
    [
        "host=h user=u password=Fir5t Secr3t",
        "host=h user=u password='Fir5t'Secr3t' dbname=d",
        "host=h user=u password=Fir5t\\Secr3t",
        "password=Fir5t Secr3t=Th1rd",
    ],
)
def test_a_value_that_needs_quotes_is_refused_with_how_to_quote(text: str) -> None:
    """A value that needs quotes is refused with how to quote it: libpq would silently drop a backslash."""
    assert QUOTE in refusal(check_postgres, text)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://dw:a%40b%2Fc@127.0.0.1:5432/mail",
        "postgresql://dw:a:b?c#d@h/db",
        "postgresql://dw@/db?host=/var/run/postgresql",
        "postgresql://%2Fvar%2Frun%2Fpostgresql/db",
        "postgresql://h/db?user=name@tenant",
        "postgresql://u:p@[2001:db8::1]:5432,db2:5433/db?target_session_attrs=read-write",
        "postgresql://db1,db2,db3:5432/db",
        "postgresql:///?service=mail",
        "service=mail",
        "host=@abstract dbname=d",
        "host=h user=u password='a b\\\\c\\'d@e/f'",
        "host=h1,h2 hostaddr=192.0.2.1,192.0.2.2 port=5432,5433",
        "sslrootcert=system sslmode=verify-full host=h",
    ],
)
def test_what_libpq_reads_as_it_was_meant_is_taken(text: str) -> None:
    """Strings that libpq reads as meant are accepted: both forms, several hosts, a socket, a service."""
    check_postgres(text)


@given(
    st.text(min_size=1).filter(lambda text: "\0" not in text and text.isprintable()),
    st.sampled_from(["h", "h1:5432,h2:5433"]),
)
def test_any_encoded_password_is_taken_and_read_back(password: str, hosts: str) -> None:
    """Any password, encoded as the advice says, is accepted and read back."""
    uri = f"postgresql://dw:{quote(password, safe='')}@{hosts}/mail"
    check_postgres(uri)
    assert conninfo_to_dict(uri)["password"] == password


@given(st.text(alphabet="aZ9@:/?#%[] =&\\'", min_size=1, max_size=12))
def test_a_raw_password_is_read_as_it_is_or_refused(password: str) -> None:
    """A raw password is read unchanged or refused, never as part of a host, port or database."""
    uri = f"postgresql://dw:{password}@127.0.0.1:5432/mail"
    try:
        check_postgres(uri)
    except ValueError:
        return
    read = conninfo_to_dict(uri)
    assert (read["host"], read["port"], read["dbname"]) == ("127.0.0.1", "5432", "mail")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("postgresql://h/d?sslmode=requird", "has an sslmode"),
        ("host=h1,h2 port=1,2,3", "one port for all hosts"),
        ("host=h port=70000", "a port from 1 to 65535"),
        ("host=h sslrootcert=/nowhere/ca.pem", "sslrootcert names a file that is missing"),
        (f"host=h sslrootcert={FILES}", "sslrootcert names a folder"),
        (f"host=h sslrootcert={FILES / 'one.key'}", "sslrootcert must name a file with certificates"),
        (f"host=h sslcert={FILES / 'one.pem'} sslkey={FILES / 'two.key'}", "sslkey must be the unencrypted key"),
        ("host=h passfile=/nowhere", "passfile names a file that is missing"),
        (f"host=h passfile={FILES / 'one.pem'}", "passfile names a file that others may read"),
    ],
)
def test_files_and_words_of_a_connection_string_are_looked_at(text: str, said: str) -> None:
    """Missing files and wrong words in a connection string are faults."""
    assert said in refusal(check_postgres, text)
    with pytest.raises((ProgrammingError, AssertionError)):
        assert not conninfo_to_dict(text)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("mongodb://u:Fir5t@Secr3t/Th1rd@h/", ENCODE),
        ("mongodb+srv://u:Fir5t@Secr3t/Th1rd@h/", ENCODE),
        ("mongodb+srv://u:Fir5t/Secr3t@h/", ENCODE),
        ("mongodb://u:Fir5t:Secr3t@h/", ENCODE),
        ("mongodb://u:Fir5t?Secr3t@h/", ENCODE),
        ("mongodb://h/?tls=true&tlsCAFile=/nowhere", "tlsCAFile names a file that is missing"),
        ("mongodb+srv://h/?tlsCAFile=/nowhere", "tlsCAFile names a file that is missing"),
        (f"mongodb://h/?tlsCAFile={FILES / 'one.key'}", "tlsCAFile must name a file with certificates"),
        (f"mongodb://h/?tlsCAFile={FILES}", "tlsCAFile names a folder"),
        ("mongodb://h/?tlsCertificateKeyFile=/nowhere", "tlsCertificateKeyFile names a file that is missing"),
        (
            f"mongodb://h/?tlsCertificateKeyFile={FILES / 'one.pem'}",
            "tlsCertificateKeyFile must be the unencrypted key",
        ),
    ],
)
def test_a_mongodb_string_is_refused_for_what_is_wrong_with_it(uri: str, said: str) -> None:
    """A MongoDB string is refused with the right cause; a missing file is its own cause."""
    assert said in refusal(check_mongo, uri)


def test_a_certificate_that_is_there_is_taken() -> None:
    """An existing certificate is accepted by both drivers."""
    check_mongo(f"mongodb://h/?tls=true&tlsCAFile={FILES / 'one.pem'}")
    check_postgres(f"host=h sslmode=verify-full sslrootcert={FILES / 'one.pem'}")
